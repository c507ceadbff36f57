//! Is the file there?
//!
//! In: a path. Out: the moment from which something lies there. Its directory is watched, so that
//! nothing runs while nothing happens; events are hints, and the path is looked at every
//! [`LOOK_INTERVAL`] all the same. A directory that is not there, or cannot be watched, is looked
//! at more often. A marker that was there before counts too: a container that is started again
//! after the work was done ends again.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

/// Between two looks while events arrive.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// The same while they do not.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Room for the events of one read; their content does not matter.
const EVENT_BYTES: usize = 4 << 10;

/// Waits until something lies at `path`; a symbolic link counts with what it leads to.
pub(super) async fn appeared(path: &Path) {
    let watch = open_watch().ok();
    loop {
        // Watched before it is looked at. The directory can be another one than at the last look.
        let watched = watch.as_ref().filter(|watch| watch_parent(watch, path).is_ok());
        if path.exists() {
            return;
        }
        match watched {
            Some(watch) => tokio::select! {
                () = sleep(LOOK_INTERVAL) => {}
                () = changed(watch) => {}
            },
            None => sleep(POLL_INTERVAL).await,
        }
    }
}

fn open_watch() -> io::Result<AsyncFd<OwnedFd>> {
    let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    super::readable(descriptor)
}

fn watch_parent(watch: &AsyncFd<OwnedFd>, path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    let flags = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
    inotify::add_watch(watch.get_ref(), parent.unwrap_or(Path::new(".")), flags)?;
    Ok(())
}

/// Waits for events and passes over them.
async fn changed(watch: &AsyncFd<OwnedFd>) {
    let mut events = [0; EVENT_BYTES];
    let read = |descriptor: &OwnedFd| match rustix::io::read(descriptor, &mut events) {
        Err(Errno::WOULDBLOCK) => Err(io::ErrorKind::WouldBlock.into()),
        other => other.map_err(io::Error::from),
    };
    if watch.async_io(Interest::READABLE, read).await.is_err() {
        // Never seen; the next look comes as if nobody watched.
        sleep(POLL_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_marker_is_seen_however_it_comes() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("not/yet/done");
        let make_deep = || {
            fs::create_dir_all(deep.parent().unwrap()).unwrap();
            fs::write(&deep, "").unwrap();
        };
        let made = dir.path().join("made");
        let renamed = dir.path().join("renamed");
        let before = dir.path().join("before");
        fs::write(&before, "").unwrap();
        let cases: [(&Path, &dyn Fn()); 4] = [
            (&before, &|| {}),
            (&made, &|| fs::write(&made, "").unwrap()),
            (&renamed, &|| fs::rename(&before, &renamed).unwrap()),
            (&deep, &make_deep),
        ];
        for (path, make) in cases {
            let mut waiting = std::pin::pin!(appeared(path));
            let is_early = timeout(Duration::from_millis(20), waiting.as_mut()).await.is_ok();
            assert_eq!(is_early, path == before, "{path:?}");
            make();
            if !is_early {
                timeout(SOON, waiting).await.unwrap();
            }
        }
    }
}
