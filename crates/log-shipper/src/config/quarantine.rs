//! The place for refused records, from what was typed to what it means.
//!
//! In: the flags of the quarantine. Out: its configuration, none for a sink that never refuses a
//! record, and the patterns of its files, which no sink of this process may follow.

use std::path::{Path, PathBuf};

use sidecar_runtime::{Rejections, setting};

use super::{SinkConfig, glob_of, optional};
use crate::cli::Args;
use crate::quarantine::SUFFIX;

#[derive(Debug)]
pub(crate) struct QuarantineConfig {
    pub(crate) dir: PathBuf,
    /// Of one file.
    pub(crate) bytes_max: u64,
    /// Names the file of a sink without a name.
    pub(crate) kind: String,
}

pub(super) fn quarantine(
    args: &Args,
    sink: Option<&SinkConfig>,
    rejections: &mut Rejections,
) -> Option<Option<QuarantineConfig>> {
    let bytes_max =
        rejections.parse("quarantine-max-bytes", &args.quarantine_max_bytes, setting::bytes);
    let dir = optional(args.quarantine_dir.as_deref(), |text| {
        rejections.parse("quarantine-dir", text, |text| match Path::new(text) {
            dir if dir.is_absolute() => Ok(dir.to_owned()),
            _ => Err("expected an absolute path"),
        })
    });
    let (bytes_max, dir) = (bytes_max?, dir?);
    let refuses =
        !matches!(sink?, SinkConfig::Stdout | SinkConfig::File(_) | SinkConfig::Blackhole);
    let dir = dir.filter(|_| refuses);
    Some(dir.map(|dir| QuarantineConfig { dir, bytes_max, kind: args.sink.clone() }))
}

/// Patterns of the files in the quarantines of all sinks.
pub(super) fn own_files<'a>(sinks: impl IntoIterator<Item = &'a Args>) -> Vec<String> {
    let dirs = sinks.into_iter().filter_map(|args| args.quarantine_dir.as_deref());
    // Without what a pattern would take literally: a slash at the end, or two in a row.
    let dirs = dirs.map(|dir| Path::new(dir).components().collect::<PathBuf>());
    let mut patterns: Vec<_> = dirs
        .filter(|dir| dir.is_absolute())
        .map(|dir| format!("{}/*{SUFFIX}", glob_of(&dir)))
        .collect();
    patterns.dedup();
    patterns
}
