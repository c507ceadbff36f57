//! Which paths are ours?
//!
//! In: the patterns of `--include` and `--exclude`. Out: whether a path matches, and a walk over
//! the directories in which a match can lie.
//!
//! The walk starts at the part of each pattern that has no wildcard, follows symbolic links but not
//! back into a directory it is in (so a loop of links ends) and goes no deeper than the pattern can
//! match or [`DEPTH_MAX`]. A directory that does not exist yet is waited for: its nearest existing
//! ancestor is reported instead, so that the caller can watch for the missing part.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::identity;

/// How deep below a pattern's fixed part `**` looks.
const DEPTH_MAX: usize = 32;
/// How many directories one walk enters; links can lead to the same one by many ways.
const DIRECTORIES_MAX: usize = 16_384;

const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A pattern that cannot be used; the text names what is wrong and where.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatternError {
    #[error("{reason} at position {position}")]
    Syntax { reason: &'static str, position: usize },
    #[error("the pattern must be an absolute path")]
    Relative,
}

/// The files to follow: those that match one of `include` and none of `exclude`.
#[derive(Clone, Default)]
pub struct Globs {
    include: Vec<Include>,
    exclude: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Include {
    pattern: Pattern,
    /// The leading directories without a wildcard.
    base: PathBuf,
    /// How many directories below `base` a match can lie.
    depth: usize,
}

impl fmt::Debug for Globs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exclude: Vec<_> = self.exclude.iter().map(Pattern::as_str).collect();
        let include: Vec<_> = self.groups().collect();
        f.debug_struct("Globs").field("include", &include).field("exclude", &exclude).finish()
    }
}

impl Globs {
    /// Adds a pattern of files to follow.
    ///
    /// # Errors
    /// A pattern that is malformed or not absolute.
    pub fn include(&mut self, pattern: &str) -> Result<(), PatternError> {
        let pattern_path = Path::new(pattern);
        if !pattern_path.is_absolute() {
            return Err(PatternError::Relative);
        }
        let components: Vec<Component<'_>> = pattern_path.components().collect();
        let directories = &components[..components.len() - 1];
        let fixed = directories.iter().take_while(|part| !has_wildcard(part.as_os_str())).count();
        let depth = if directories.iter().any(|part| part.as_os_str() == "**") {
            DEPTH_MAX
        } else {
            directories.len() - fixed
        };
        let base = directories[..fixed].iter().collect();
        self.include.push(Include { pattern: compile(pattern)?, base, depth });
        Ok(())
    }

    /// Adds a pattern of files to leave alone.
    ///
    /// # Errors
    /// A pattern that is malformed or not absolute.
    pub fn exclude(&mut self, pattern: &str) -> Result<(), PatternError> {
        if !Path::new(pattern).is_absolute() {
            return Err(PatternError::Relative);
        }
        self.exclude.push(compile(pattern)?);
        Ok(())
    }

    /// No file can match.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.include.is_empty()
    }

    /// The patterns of `include`, as typed; the position of one is a file's `group`.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.include.iter().map(|include| include.pattern.as_str())
    }

    /// The first pattern of `include` that matches, if no pattern of `exclude` does.
    pub(crate) fn group_of(&self, path: &Path) -> Option<usize> {
        let group = self.include.iter().position(|it| it.pattern.matches_path_with(path, MATCHING));
        group.filter(|_| !self.exclude.iter().any(|it| it.matches_path_with(path, MATCHING)))
    }

    /// Walks below `within` (everywhere if `None`), reporting each directory to `on_directory`
    /// before its entries are read, so that a watch set there misses nothing, and each path to
    /// `on_path`.
    pub(crate) fn walk(
        &self,
        within: Option<&Path>,
        on_directory: &mut dyn FnMut(&Path),
        on_path: &mut dyn FnMut(&Path),
    ) {
        let mut walk =
            Walk { above: Vec::new(), directories_left: DIRECTORIES_MAX, on_directory, on_path };
        for include in &self.include {
            let (start, depth) = match within {
                None => (include.base.as_path(), include.depth),
                Some(path) if include.base.starts_with(path) => {
                    (include.base.as_path(), include.depth)
                }
                Some(path) => match path.strip_prefix(&include.base) {
                    Ok(below) => match include.depth.checked_sub(below.components().count()) {
                        Some(depth) => (path, depth),
                        None => continue,
                    },
                    Err(_outside) => continue,
                },
            };
            // What is made while its ancestor gets its watch is looked for again.
            for _ in start.ancestors() {
                if start.is_dir() {
                    walk.enter(start, depth);
                    break;
                }
                if let Some(ancestor) = start.ancestors().find(|path| path.is_dir()) {
                    (walk.on_directory)(ancestor);
                }
            }
        }
    }
}

/// One walk's state: the inodes of the directories from the start to the current one (a link that
/// leads back to one of them is not entered), and how many directories it may still enter.
struct Walk<'a> {
    above: Vec<(u64, u64)>,
    directories_left: usize,
    on_directory: &'a mut dyn FnMut(&Path),
    on_path: &'a mut dyn FnMut(&Path),
}

impl Walk<'_> {
    /// Recursion ends at `depth` 0; `depth` is at most [`DEPTH_MAX`].
    fn enter(&mut self, directory: &Path, depth: usize) {
        let Ok(look) = identity::look_at(directory) else { return };
        let inode = (look.inode.dev, look.inode.ino);
        if !look.directory || self.above.contains(&inode) || self.directories_left == 0 {
            return;
        }
        self.directories_left -= 1;
        (self.on_directory)(directory);
        let Ok(entries) = std::fs::read_dir(directory) else { return };
        self.above.push(inode);
        for entry in entries.flatten() {
            let path = entry.path();
            let kind = entry.file_type();
            let is_link = kind.as_ref().is_ok_and(std::fs::FileType::is_symlink);
            let enters = kind.is_ok_and(|it| it.is_dir()) || (is_link && path.is_dir());
            if !enters {
                (self.on_path)(&path);
            } else if depth > 0 {
                self.enter(&path, depth - 1);
            }
        }
        self.above.pop();
    }
}

fn has_wildcard(part: &OsStr) -> bool {
    part.as_encoded_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

fn compile(pattern: &str) -> Result<Pattern, PatternError> {
    Pattern::new(pattern)
        .map_err(|error| PatternError::Syntax { reason: error.msg, position: error.pos })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(include: &[&str], exclude: &[&str]) -> Globs {
        let mut globs = Globs::default();
        include.iter().for_each(|it| globs.include(it).unwrap());
        exclude.iter().for_each(|it| globs.exclude(it).unwrap());
        globs
    }

    #[test]
    fn a_path_belongs_to_the_first_pattern_that_matches() {
        let globs = globs(&["/logs/**/*.log", "/var/[ab]/x?"], &["/logs/**/debug*"]);
        let group = |path: &str| globs.group_of(Path::new(path));
        assert_eq!(group("/logs/a.log"), Some(0));
        assert_eq!(group("/logs/deep/er/a.log"), Some(0));
        assert_eq!(group("/logs/.hidden.log"), Some(0));
        assert_eq!(group("/logs/debug.log"), None);
        assert_eq!(group("/logs/a.log.1"), None);
        assert_eq!(group("/var/a/x1"), Some(1));
        assert_eq!(group("/var/c/x1"), None);
    }

    #[test]
    fn a_bad_pattern_says_what_and_where() {
        let mut globs = Globs::default();
        assert_eq!(globs.include("logs/*.log"), Err(PatternError::Relative));
        let error = globs.include("/logs/[a.log").unwrap_err();
        assert_eq!(error.to_string(), "invalid range pattern at position 6");
        assert!(globs.include("/logs/a**").is_err());
        assert!(globs.is_empty());
    }

    #[test]
    fn the_walk_goes_no_deeper_than_the_pattern_and_ends_in_a_loop_of_links() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/x.log"), "").unwrap();
        std::fs::write(root.join("a/b/y.log"), "").unwrap();
        std::os::unix::fs::symlink(root, root.join("a/loop")).unwrap();
        let found = |pattern: String| {
            let globs = globs(&[&pattern], &[]);
            let mut paths = Vec::new();
            globs.walk(None, &mut |_| {}, &mut |path| {
                paths.extend(globs.group_of(path).map(|_| path.to_path_buf()));
            });
            paths.sort();
            paths
        };
        assert_eq!(found(format!("{}/*/*.log", root.display())), [root.join("a/x.log")]);
        let deep = found(format!("{}/**/*.log", root.display()));
        assert!(deep.contains(&root.join("a/x.log")) && deep.contains(&root.join("a/b/y.log")));
    }

    #[test]
    fn a_missing_directory_is_waited_for_at_its_nearest_ancestor() {
        let dir = tempfile::tempdir().unwrap();
        let globs = globs(&[&format!("{}/no/such/*.log", dir.path().display())], &[]);
        let mut watched = Vec::new();
        globs.walk(None, &mut |path| watched.push(path.to_path_buf()), &mut |_| {});
        assert!(!watched.is_empty() && watched.iter().all(|path| path == dir.path()));
    }
}
