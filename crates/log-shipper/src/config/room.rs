//! Room on the shared volume, from what was typed to what it means.
//!
//! In: the flags of reclaiming and of rotation. Out: what is done with files that are shipped. What
//! would delete lines that were never shipped is refused.

use rustix::process::Signal;
use sidecar_runtime::{Rejections, Section, setting};
use tail::{AfterShip, From};

use super::optional;
use crate::cli::Args;
use crate::process::name_of_process;
use crate::rotation::RotationConfig;

/// Below, files would be renamed all the time.
const ROTATE_AT_MIN: u64 = 64 << 10;

/// Room is made by one sink for all, so they have to follow the same files, and none may give up
/// what another one still needs.
pub(super) fn of_several(args: &Args, sections: &[Section<Args>], rejections: &mut Rejections) {
    let makes_room = args.after_ship.is_some()
        || args.reclaim
        || args.max_dir_bytes.is_some()
        || args.rotate_at.is_some();
    if !makes_room {
        return;
    }
    let follows = |args: &Args| (args.include.clone(), args.exclude.clone());
    if sections.iter().any(|it| follows(&it.args) != follows(&sections[0].args)) {
        let reason = "the sinks follow different files, of which no room is reclaimed";
        rejections.reject("sinks", "after-ship, reclaim, max-dir-bytes, rotate-at", reason);
    }
    for section in sections.iter().filter(|it| it.args.on_full != "block") {
        if let Some(text) = &args.max_dir_bytes {
            let scope = format!("{}.on-full", section.scope);
            let reason = format!("max-dir-bytes {text} would give up what other sinks need");
            rejections.reject(&scope, &section.args.on_full, reason);
        }
    }
}

/// What is done with files that are shipped, and how many bytes all may take.
pub(super) fn room(
    args: &Args,
    from: Option<From>,
    rejections: &mut Rejections,
) -> Option<(AfterShip, Option<u64>)> {
    let choices = [
        ("keep", AfterShip::Keep),
        ("delete", AfterShip::Delete),
        ("truncate", AfterShip::Truncate),
    ];
    let after_ship = optional(args.after_ship.as_deref(), |text| {
        rejections.parse("after-ship", text, setting::one_of(&choices))
    });
    let bytes_max = optional(args.max_dir_bytes.as_deref(), |text| {
        rejections.parse("max-dir-bytes", text, setting::bytes)
    });
    let by_default = if args.reclaim { AfterShip::Delete } else { AfterShip::Keep };
    let after_ship = after_ship?.unwrap_or(by_default);
    let deletes = args.reclaim || after_ship != AfterShip::Keep || args.max_dir_bytes.is_some();
    if from == Some(From::End) && deletes {
        let reason = "what was there before would be deleted and was never shipped: \
                      not with reclaim, after-ship or max-dir-bytes";
        rejections.reject("from", &args.from, reason);
    }
    Some((after_ship, bytes_max?))
}

pub(super) fn rotation(args: &Args, rejections: &mut Rejections) -> Option<Option<RotationConfig>> {
    let choices = [("USR1", Signal::USR1), ("USR2", Signal::USR2), ("HUP", Signal::HUP)];
    let signal = rejections.parse("rotate-signal", &args.rotate_signal, setting::one_of(&choices));
    let at_bytes = optional(args.rotate_at.as_deref(), |text| {
        rejections.parse("rotate-at", text, |text| match setting::bytes(text) {
            Ok(bytes) if bytes < ROTATE_AT_MIN => {
                Err(format!("expected at least {ROTATE_AT_MIN} bytes"))
            }
            other => other.map_err(|error| error.to_string()),
        })
    });
    let process = optional(args.rotate_process.as_deref(), |text| {
        rejections.parse("rotate-process", text, name_of_process)
    });
    match (&args.rotate_at, &args.rotate_process) {
        (Some(text), None) => rejections.reject("rotate-at", text, "rotate-process is missing"),
        (None, Some(text)) => rejections.reject("rotate-process", text, "rotate-at is missing"),
        _ => {}
    }
    let (signal, at_bytes, process) = (signal?, at_bytes?, process?);
    let both = at_bytes.zip(process);
    Some(both.map(|(at_bytes, process)| RotationConfig { at_bytes, process, signal }))
}
