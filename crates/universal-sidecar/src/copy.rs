//! Puts this program on the shared volume, so that it can wrap the command of any image.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::draft::Draft;

/// The name of the copy.
pub const COPY_NAME: &str = "native-sidecar-probe";
/// Any user of the pod may run it.
const MODE: u32 = 0o755;

/// Copies the running program into `folder`, and tells where it is. A program of an earlier life
/// that still runs from there goes on: the new one takes its name, not its file.
///
/// # Errors
/// It cannot be read, or the folder cannot be written.
pub fn copy_program(folder: &Path) -> io::Result<PathBuf> {
    let place = folder.join(COPY_NAME);
    let mut program = File::open("/proc/self/exe")?;
    Draft::new(&place, "new", MODE, |file| io::copy(&mut program, file).map(drop))?.publish()?;
    Ok(place)
}
