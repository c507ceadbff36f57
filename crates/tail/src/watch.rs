//! What has changed in the directories?
//!
//! In: directories to watch. Out: the changes in them, in order, since they were last taken; how
//! many watches the kernel refused; and one call of the wake function when there is something to
//! take.
//!
//! Directories are watched, not files, so that a file is known before it is renamed away. Changes
//! are hints: whoever takes them looks at the files themselves, and a periodic rescan makes a
//! missed or refused watch harmless. What arrives faster than it is taken is bounded: writes to the
//! same file count once, and above [`CHANGES_MAX`] everything is dropped for one request to rescan.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tracing::warn;

/// Changes held until they are taken; a rename is 2 of them.
const CHANGES_MAX: usize = 16_384;
/// Directories watched; more are left to the rescan.
const WATCHES_MAX: usize = 8_192;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Something was created, or moved here from a directory that is not watched.
    Appeared(PathBuf),
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
    /// Deleted, or moved to a directory that is not watched.
    Vanished(PathBuf),
    /// Somebody, perhaps this process, opened the file.
    Opened(PathBuf),
    /// A descriptor that could write was closed.
    Closed(PathBuf),
}

#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// In the order in which they happened.
    pub(crate) ordered: Vec<Change>,
    /// Files written to, in no order.
    pub(crate) written: HashSet<PathBuf>,
    /// Events were lost: only a rescan tells what happened.
    pub(crate) overflow: bool,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.ordered.is_empty() && self.written.is_empty() && !self.overflow
    }

    fn note(&mut self, event: Event) {
        if event.need_rescan() {
            self.overflow = true;
        }
        let mut paths = event.paths.into_iter();
        let (first, second) = (paths.next(), paths.next());
        let Some(path) = first else { return };
        let change = match (event.kind, second) {
            (EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any), _) => {
                self.written.insert(path);
                None
            }
            (EventKind::Create(CreateKind::File | CreateKind::Folder | CreateKind::Any), _)
            | (EventKind::Modify(ModifyKind::Name(RenameMode::To)), _) => {
                Some(Change::Appeared(path))
            }
            (EventKind::Modify(ModifyKind::Name(RenameMode::Both)), Some(to)) => {
                self.pair_rename(&path, &to);
                Some(Change::Renamed { from: path, to })
            }
            (EventKind::Modify(ModifyKind::Name(RenameMode::From)), _)
            | (EventKind::Remove(RemoveKind::File | RemoveKind::Folder | RemoveKind::Any), _) => {
                Some(Change::Vanished(path))
            }
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), _) => {
                Some(Change::Closed(path))
            }
            (EventKind::Access(AccessKind::Open(_)), _) => Some(Change::Opened(path)),
            _ => None,
        };
        self.ordered.extend(change);
        if self.ordered.len() + self.written.len() > CHANGES_MAX {
            *self = Changes { overflow: true, ..Changes::default() };
        }
    }

    /// A rename comes as its two halves and then again as both; the halves are taken back.
    fn pair_rename(&mut self, from: &Path, to: &Path) {
        if let Some(Change::Appeared(path)) = self.ordered.last()
            && path == to
        {
            self.ordered.pop();
        }
        if let Some(Change::Vanished(path)) = self.ordered.last()
            && path == from
        {
            self.ordered.pop();
        }
    }
}

/// Watches directories until it is dropped.
pub(crate) struct Watch {
    /// `None` if the kernel gives no inotify instance.
    watcher: Option<RecommendedWatcher>,
    changes: Arc<Mutex<Changes>>,
    watched: HashSet<PathBuf>,
    refused: HashSet<PathBuf>,
}

impl Watch {
    /// `wake` is called from another thread, once for all that is not taken yet.
    pub(crate) fn new(wake: impl Fn() + Send + 'static) -> Watch {
        let changes = Arc::new(Mutex::new(Changes::default()));
        let shared = Arc::clone(&changes);
        let on_event = move |event: notify::Result<Event>| {
            let mut changes = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let was_empty = changes.is_empty();
            match event {
                Ok(event) => changes.note(event),
                Err(_lost) => changes.overflow = true,
            }
            if was_empty && !changes.is_empty() {
                drop(changes);
                wake();
            }
        };
        let config = notify::Config::default().with_follow_symlinks(false);
        let watcher = match RecommendedWatcher::new(on_event, config) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                warn!(%error, "Directory events are not available; polling instead");
                None
            }
        };
        Watch { watcher, changes, watched: HashSet::new(), refused: HashSet::new() }
    }

    /// No directory is watched: changes are found by looking.
    pub(crate) fn off() -> Watch {
        let changes = Arc::default();
        Watch { watcher: None, changes, watched: HashSet::new(), refused: HashSet::new() }
    }

    /// Every directory that was asked for is watched.
    pub(crate) fn is_complete(&self) -> bool {
        self.watcher.is_some() && self.refused.is_empty()
    }

    pub(crate) fn refused(&self) -> usize {
        self.refused.len()
    }

    /// Watches a directory; repeated calls cost nothing. A refusal is logged once and tried again
    /// at the next call.
    pub(crate) fn add(&mut self, directory: &Path) {
        if self.watched.contains(directory) {
            return;
        }
        let result = match (&mut self.watcher, self.watched.len()) {
            (None, _) => return self.refuse(directory),
            (_, WATCHES_MAX..) => Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch)),
            (Some(watcher), _) => watcher.watch(directory, RecursiveMode::NonRecursive),
        };
        match result {
            Ok(()) => {
                self.refused.remove(directory);
                self.watched.insert(directory.to_path_buf());
            }
            Err(error) => {
                if self.refused.is_empty() {
                    let directory = directory.display();
                    warn!(%directory, %error, "A directory cannot be watched; polling instead");
                }
                self.refuse(directory);
            }
        }
    }

    fn refuse(&mut self, directory: &Path) {
        if self.refused.len() < WATCHES_MAX {
            self.refused.insert(directory.to_path_buf());
        }
    }

    /// Forgets a directory that is gone, and all below it. Says whether anything was watched there.
    pub(crate) fn remove(&mut self, directory: &Path) -> bool {
        self.refused.retain(|path| !path.starts_with(directory));
        let Some(watcher) = &mut self.watcher else { return false };
        let before = self.watched.len();
        self.watched.retain(|path| {
            let stays = !path.starts_with(directory);
            if !stays {
                // The kernel has dropped the watch with the directory; an error says just that.
                drop(watcher.unwatch(path));
            }
            stays
        });
        self.watched.len() < before
    }

    /// Forgets what is watched, so that each directory is watched anew when it is added again:
    /// after an overflow nobody knows which watches still lead to the directory of that name.
    pub(crate) fn forget(&mut self) {
        self.watched.clear();
        self.refused.clear();
    }

    /// The changes since the last call.
    pub(crate) fn take(&self) -> Changes {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("watched", &self.watched.len()).finish_non_exhaustive()
    }
}

/// Says whether an event is one that this process caused, and crosses it off.
pub(crate) fn take_own(events: &mut HashMap<PathBuf, u32>, path: &Path) -> bool {
    let Some(count) = events.get_mut(path) else { return false };
    *count -= 1;
    if *count == 0 {
        events.remove(path);
    }
    true
}

#[cfg(test)]
mod tests {
    use notify::event::{DataChange, Flag};

    use super::*;

    fn event(kind: EventKind, paths: &[&str]) -> Event {
        paths.iter().fold(Event::new(kind), |event, path| event.add_path(PathBuf::from(path)))
    }

    fn name(mode: RenameMode) -> EventKind {
        EventKind::Modify(ModifyKind::Name(mode))
    }

    #[test]
    fn a_rename_is_one_change_and_its_halves_are_two() {
        let mut changes = Changes::default();
        changes.note(event(name(RenameMode::From), &["/l/a"]));
        changes.note(event(name(RenameMode::To), &["/l/b"]));
        changes.note(event(name(RenameMode::Both), &["/l/a", "/l/b"]));
        let (from, to) = (PathBuf::from("/l/a"), PathBuf::from("/l/b"));
        assert_eq!(changes.ordered, [Change::Renamed { from: from.clone(), to: to.clone() }]);
        let mut changes = Changes::default();
        changes.note(event(name(RenameMode::From), &["/l/a"]));
        changes.note(event(name(RenameMode::To), &["/l/b"]));
        assert_eq!(changes.ordered, [Change::Vanished(from), Change::Appeared(to)]);
    }

    #[test]
    fn writes_to_one_file_count_once_and_a_flood_becomes_a_rescan() {
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let mut changes = Changes::default();
        for _ in 0..2 * CHANGES_MAX {
            changes.note(event(written, &["/l/a"]));
        }
        assert_eq!((changes.written.len(), changes.overflow), (1, false));
        for index in 0..=CHANGES_MAX {
            changes.note(event(EventKind::Create(CreateKind::File), &[&format!("/l/{index}")]));
        }
        assert!(changes.overflow && changes.ordered.len() < CHANGES_MAX);
    }

    #[test]
    fn the_rescan_flag_of_an_overflow_is_kept() {
        let mut changes = Changes::default();
        changes.note(Event::new(EventKind::Other).set_flag(Flag::Rescan));
        assert!(changes.overflow && !changes.is_empty());
    }
}
