//! What is done with lines on their way, from what was typed to what it means.
//!
//! In: the flags of parsers and filters. Out: a [`Processor`]. A parser is for all files, or for
//! those that match the pattern before it; the first that fits a file counts.

use event::filter::{self, Filter, Rate, Sample};
use event::multiline::{Joiner, Language, Limits, Rule};
use event::redact::{self, Custom, Redactor};
use event::{Offset, Parser, RegexSet, pattern, patterns};
use net::with_causes;
use sidecar_runtime::{Rejections, setting};

use crate::cli::Args;
use crate::processor::{ParseRule, Processor};

/// Rules of one sink.
const RULES_MAX: usize = 32;
/// `--parse nginx`, by the usual names of nginx's logs.
const NGINX: [(&str, &str); 2] = [("/**/*access*", "combined"), ("/**/*error*", "nginx-error")];

pub(super) fn processor(args: &Args, rejections: &mut Rejections) -> Option<Processor> {
    let offset = rejections.parse("time-zone", &args.time_zone, |text| {
        Offset::parse(text).ok_or("expected Z or an offset such as +02:00")
    });
    let mut rules = Vec::new();
    let mut accepted = true;
    for text in &args.parse {
        let parse = |text: &str| parse_rules(text, offset.unwrap_or(Offset::UTC));
        match rejections.parse("parse", text, parse) {
            Some(more) => rules.extend(more),
            None => accepted = false,
        }
    }
    if rules.len() > RULES_MAX {
        let reason = format_args!("expected at most {RULES_MAX}");
        rejections.reject("parse", &format!("{} rules", rules.len()), reason);
        accepted = false;
    }
    let filter = filter(args, rejections);
    let redactor = redactor(args, rejections);
    (accepted && offset.is_some()).then_some(())?;
    Some(Processor::new(rules, filter?, redactor?))
}

fn parse_rules(text: &str, offset: Offset) -> Result<Vec<ParseRule>, String> {
    let rule = |files: Option<&str>, parser: &str| {
        let files = files.map(glob::Pattern::new).transpose().map_err(|error| error.to_string())?;
        let parser = Parser::from_setting(parser, offset).map_err(|error| with_causes(&error))?;
        Ok(ParseRule { files, parser })
    };
    match text.split_once('=') {
        Some((files, parser)) if files.starts_with('/') => Ok(vec![rule(Some(files), parser)?]),
        _ if text == "nginx" => {
            NGINX.iter().map(|(files, parser)| rule(Some(files), parser)).collect()
        }
        _ => Ok(vec![rule(None, text)?]),
    }
}

/// Lines are not joined unless it is asked for.
pub(super) fn joiner(
    args: &Args,
    line_bytes_max: usize,
    has_containers: bool,
    rejections: &mut Rejections,
) -> Option<Option<Joiner>> {
    let parse = str::parse::<Language>;
    let languages = args.multiline.iter().map(|text| rejections.parse("multiline", text, parse));
    let languages: Option<Vec<_>> = languages.collect();
    let start = super::optional(args.multiline_start.as_deref(), |text| {
        rejections.parse("multiline-start", text, pattern)
    });
    let next = super::optional(args.multiline_continue.as_deref(), |text| {
        rejections.parse("multiline-continue", text, pattern)
    });
    let lines_max = rejections.parse("multiline-max-lines", &args.multiline_max_lines, |text| {
        text.parse().ok().filter(|lines| *lines > 0).ok_or("expected a whole number above 0")
    });
    let timeout =
        rejections.parse("multiline-timeout", &args.multiline_timeout, setting::positive_duration);
    let (languages, start, next) = (languages?, start?, next?);
    let limits = Limits { lines_max: lines_max?, timeout: timeout?, ..Limits::new(line_bytes_max) };
    let rule = match (languages.is_empty(), start.is_none() && next.is_none()) {
        (true, true) if !has_containers => return Some(None),
        (true, true) => Rule::of_languages(&[]),
        (false, true) => Rule::of_languages(&languages),
        (true, false) => Rule::of_patterns(start, next),
        (false, false) => {
            let reason = "not together with multiline-start or multiline-continue";
            rejections.reject("multiline", &args.multiline.join(","), reason);
            return None;
        }
    };
    Some(Some(Joiner::new(rule, limits)))
}

/// No filter where nothing is asked for.
fn filter(args: &Args, rejections: &mut Rejections) -> Option<Option<Filter>> {
    let include = set("include-lines", &args.include_lines, rejections);
    let exclude = set("exclude-lines", &args.exclude_lines, rejections);
    let level_min = super::optional(args.min_level.as_deref(), |text| {
        rejections.parse("min-level", text, filter::level)
    });
    let sample = super::optional(args.sample.as_deref(), |text| {
        rejections.parse("sample", text, str::parse::<Sample>)
    });
    let rate = super::optional(args.rate_limit.as_deref(), |text| {
        rejections.parse("rate-limit", text, str::parse::<Rate>)
    });
    let settings = filter::Settings {
        include: include?,
        exclude: exclude?,
        level_min: level_min?,
        sample: sample?,
        rate: rate?,
    };
    Some((!settings.is_empty()).then(|| Filter::new(settings)))
}

fn set(
    setting: &'static str,
    typed: &[String],
    rejections: &mut Rejections,
) -> Option<Option<RegexSet>> {
    if typed.is_empty() {
        return Some(None);
    }
    rejections.parse(setting, &typed.join("\n"), |_all| patterns(typed)).map(Some)
}

/// Nothing is taken out where nothing is asked for.
fn redactor(args: &Args, rejections: &mut Rejections) -> Option<Option<Redactor>> {
    let mut accepted = true;
    let (mut presets, mut own) = (Vec::new(), Vec::new());
    for text in &args.redact {
        match rejections.parse("redact", text, redact::presets) {
            Some(more) => presets.extend(more),
            None => accepted = false,
        }
    }
    for text in &args.redact_regex {
        match rejections.parse("redact-regex", text, str::parse::<Custom>) {
            Some(custom) => own.push(custom),
            None => accepted = false,
        }
    }
    let asked = !(presets.is_empty() && own.is_empty());
    accepted.then(|| asked.then(|| Redactor::new(&presets, own)))
}
