//! The sections of a settings file as arguments of the image.
//!
//! In: what the file has for each section, and what holds for the whole. Out: for each section all
//! its arguments, its own values laid over the rest. A flag or variable for something that a
//! section sets is refused: it would change every section, or none.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::{innermost, reject_usage, with_default};
use crate::rejections::Rejections;
use crate::settings_file::FileSection;
use crate::sidecar::{Section, Sidecar};

/// Sections with something wrong are left out; it is reported under their names.
pub(super) fn read<S: Sidecar>(
    sections: &[FileSection],
    command: &Command,
    arguments: &[OsString],
    matches: &ArgMatches,
    rejections: &mut Rejections,
) -> Vec<Section<S::Args>> {
    let list = S::SECTIONS.unwrap_or_default();
    let given = innermost(matches);
    let read = sections.iter().filter_map(|section| {
        let (name, scope) = (section.name.clone(), format!("{list}.{}", section.name));
        let args = rejections.within(&scope, |inner| {
            section_args::<S>(section, command.clone(), arguments, given, inner)
        })?;
        Some(Section { name, scope, args })
    });
    read.collect()
}

fn section_args<S: Sidecar>(
    section: &FileSection,
    mut command: Command,
    arguments: &[OsString],
    given: &ArgMatches,
    rejections: &mut Rejections,
) -> Option<S::Args> {
    let image = S::Args::augment_args(Command::new(S::NAME));
    for default in &section.defaults {
        let is_of_image = image.get_arguments().any(|arg| arg.get_id() == default.id.as_str());
        let reason = match given.value_source(&default.id) {
            _ if !is_of_image => Some("is a setting of the whole"),
            Some(ValueSource::CommandLine | ValueSource::EnvVariable) => {
                Some("is given as a flag or a variable as well, for the whole")
            }
            _ => None,
        };
        if let Some(reason) = reason {
            let setting = default.id.replace('_', "-");
            rejections.reject(&setting, &default.values.join(", "), reason);
        } else {
            command = with_default(command, default.clone(), given);
        }
    }
    let matches = command.try_get_matches_from(arguments);
    let args = matches.and_then(|matches| S::Args::from_arg_matches(innermost(&matches)));
    args.map_err(|error| reject_usage(&error, rejections)).ok()
}
