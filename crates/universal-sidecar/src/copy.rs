//! Puts this program on the shared volume, so that it can wrap the command of any image.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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
    let draft = folder.join(format!(".{COPY_NAME}.{}", std::process::id()));
    let copied = write(&draft).and_then(|()| fs::rename(&draft, &place));
    if copied.is_err() {
        // Nothing more can be done about a draft that cannot be removed either.
        fs::remove_file(&draft).ok();
    }
    copied.map(|()| place)
}

fn write(draft: &Path) -> io::Result<()> {
    let mut from = File::open("/proc/self/exe")?;
    let mut to = File::create(draft)?;
    io::copy(&mut from, &mut to)?;
    to.set_permissions(Permissions::from_mode(MODE))?;
    to.sync_all()
}
