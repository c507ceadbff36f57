//! Files of labels and annotations, as the kubelet writes them for a downward API volume.
//!
//! In: a path and what is selected of its content. Out: pairs, whenever the file is another one
//! than at the last look; the kubelet makes a new folder and moves a symbolic link to it, so inode
//! and times tell. Each line is `key="value"` with the value quoted as Go does it, in which no line
//! ends; a file with one bad line is bad as a whole, because half of the labels would look like
//! all.
//!
//! All that is selected goes with every record, so keys that say nothing to people are left out and
//! count and size have limits.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use glob::{Pattern, PatternError};

/// Keys and values.
pub(crate) type Pairs = Vec<(String, String)>;

/// A pod has at most 256 KiB of annotations, before they are quoted.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Pairs of one file that records carry.
const PAIRS_MAX: usize = 32;
/// Bytes of a value that records carry; a label has at most 63.
const VALUE_BYTES_MAX: usize = 512;
/// Keys by which controllers and tools know their own: not selected by a pattern with a wildcard.
const NOISE: [&str; 6] = [
    "pod-template-hash",
    "pod-template-generation",
    "controller-revision-hash",
    "kubernetes.io/config.",
    "kubectl.kubernetes.io/",
    "cni.projectcalico.org/",
];

/// Which keys are wanted.
#[derive(Clone)]
pub(crate) struct Selection(Vec<Pattern>);

impl Selection {
    /// Patterns with `*`, `?` and `[…]`, in which `*` stands for slashes as well.
    pub(crate) fn new(patterns: &[String]) -> Result<Selection, PatternError> {
        patterns
            .iter()
            .map(|pattern| Pattern::new(pattern))
            .collect::<Result<_, _>>()
            .map(Selection)
    }

    fn holds(&self, key: &str) -> bool {
        let is_noise = NOISE.iter().any(|noise| key.starts_with(noise));
        self.0.iter().any(|it| it.as_str() == key || (!is_noise && it.matches(key)))
    }

    /// What is selected and within the limits.
    fn of(&self, pairs: Pairs) -> Selected {
        let wanted = pairs.into_iter().filter(|(key, _value)| self.holds(key));
        let (mut selected, long): (Pairs, Pairs) =
            wanted.partition(|(_key, value)| value.len() <= VALUE_BYTES_MAX);
        let over_limit = long.len() + selected.len().saturating_sub(PAIRS_MAX);
        selected.truncate(PAIRS_MAX);
        Selected { selected, over_limit }
    }
}

impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(Pattern::as_str)).finish()
    }
}

/// What a file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) selected: Pairs,
    /// Pairs that are wanted and too many or too large.
    pub(super) over_limit: usize,
}

/// Why a file cannot be used; it is looked at again when it changes.
#[derive(Debug, thiserror::Error)]
pub(super) enum DownwardError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("larger than {FILE_BYTES_MAX} bytes")]
    Large,
    #[error("line {0} is not key=\"value\"")]
    Line(usize),
}

/// One file.
#[derive(Debug)]
pub(super) struct DownwardFile {
    pub(super) path: PathBuf,
    selection: Selection,
    /// What the file was like at the last look; nothing before the first one.
    seen: Option<Result<Stamp, io::ErrorKind>>,
}

/// Changes with the file.
type Stamp = [u64; 7];

impl DownwardFile {
    pub(super) fn new(path: PathBuf, selection: Selection) -> DownwardFile {
        DownwardFile { path, selection, seen: None }
    }

    /// What the file says, if it changed.
    pub(super) fn look(&mut self) -> Option<Result<Selected, DownwardError>> {
        // Before reading: what changes in between is seen at the next look.
        let stamp = std::fs::metadata(&self.path).map(|file| stamp(&file));
        let seen = stamp.as_ref().map_err(io::Error::kind).copied();
        if self.seen.replace(seen) == Some(seen) {
            return None;
        }
        let pairs = stamp.map_err(DownwardError::Io).and_then(|_stamp| self.read());
        Some(pairs.map(|pairs| self.selection.of(pairs)))
    }

    fn read(&self) -> Result<Pairs, DownwardError> {
        let mut bytes = Vec::new();
        File::open(&self.path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(DownwardError::Large);
        }
        parse(&String::from_utf8_lossy(&bytes)).map_err(DownwardError::Line)
    }
}

fn stamp(file: &Metadata) -> Stamp {
    let signed = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
    let [mtime, mtime_nanos, ctime, ctime_nanos] = signed.map(i64::cast_unsigned);
    [file.dev(), file.ino(), file.len(), mtime, mtime_nanos, ctime, ctime_nanos]
}

/// The pairs of a file, or the number of its first bad line.
fn parse(text: &str) -> Result<Pairs, usize> {
    let lines = text.lines().enumerate().filter(|(_at, line)| !line.is_empty());
    lines.map(|(at, line)| pair(line).ok_or(at + 1)).collect()
}

fn pair(line: &str) -> Option<(String, String)> {
    let (key, quoted) = line.split_once('=')?;
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    Some((key.to_owned(), unquote(inner)?)).filter(|_| !key.is_empty())
}

/// What stands between the quotes of a Go string. Bytes that are not UTF-8 become U+FFFD.
fn unquote(inner: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(character) = rest.next() {
        let byte = match character {
            '"' => return None,
            '\\' => match rest.next()? {
                'a' => 7,
                'b' => 8,
                't' => b'\t',
                'n' => b'\n',
                'v' => 11,
                'f' => 12,
                'r' => b'\r',
                escaped @ ('\\' | '"') => u8::try_from(escaped).ok()?,
                'x' => u8::try_from(hex(&mut rest, 2)?).ok()?,
                'u' => {
                    push(char::from_u32(hex(&mut rest, 4)?)?, &mut bytes);
                    continue;
                }
                'U' => {
                    push(char::from_u32(hex(&mut rest, 8)?)?, &mut bytes);
                    continue;
                }
                _ => return None,
            },
            plain => {
                push(plain, &mut bytes);
                continue;
            }
        };
        bytes.push(byte);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn push(character: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

fn hex(rest: &mut std::str::Chars<'_>, digits: usize) -> Option<u32> {
    (0..digits).try_fold(0, |number, _| Some(number << 4 | rest.next()?.to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(expected: &[(&str, &str)]) -> Pairs {
        expected.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn values_are_unquoted_as_go_quotes_them() {
        for (quoted, plain) in [
            ("", ""),
            ("web", "web"),
            (r#"a=\"b\""#, r#"a="b""#),
            (r"C:\\dir", r"C:\dir"),
            (r"\a\b\t\n\v\f\r", "\u{7}\u{8}\t\n\u{b}\u{c}\r"),
            (r"\x00\x7f", "\0\u{7f}"),
            (r"\xff\xc3\xa9", "\u{fffd}é"),
            (r"\u00a0\ufeff", "\u{a0}\u{feff}"),
            (r"\U000e0001", "\u{e0001}"),
            ("grün 🦀", "grün 🦀"),
        ] {
            assert_eq!(unquote(quoted).as_deref(), Some(plain), "{quoted}");
        }
        for bad in [r"\", r"\q", r"\x1", r"\xzz", r"\ud800", r"\U00110000", "a\"b"] {
            assert_eq!(unquote(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_file_is_read_as_a_whole_or_not_at_all() {
        let text = "app=\"web\"\napp.kubernetes.io/name=\"a=\\\"b\\\"\"\ntier=\"\"";
        let expected = [("app", "web"), ("app.kubernetes.io/name", "a=\"b\""), ("tier", "")];
        assert_eq!(parse(text), Ok(pairs(&expected)));
        assert_eq!(parse(""), Ok(Vec::new()));
        for (text, line) in
            [("app", 1), ("a=\"1\"\n\nb=2", 3), ("a=\"1\nb=\"2\"", 1), ("=\"x\"", 1), ("a=\"", 1)]
        {
            assert_eq!(parse(text), Err(line), "{text}");
        }
    }

    #[test]
    fn patterns_select_and_noise_needs_its_name() {
        let all = [
            ("app", "web"),
            ("pod-template-hash", "7d4b8c"),
            ("team.example/owner", "shop"),
            ("kubernetes.io/config.source", "api"),
        ];
        for (patterns, expected) in [
            (&["*"][..], &[all[0], all[2]][..]),
            (&["app", "pod-template-hash"], &[all[0], all[1]]),
            (&["team.example/*", "kubernetes.io/*"], &[all[2]]),
            (&["*/owner"], &[all[2]]),
            (&[], &[]),
        ] {
            let patterns: Vec<String> = patterns.iter().map(|&it| it.to_owned()).collect();
            let selected = Selection::new(&patterns).unwrap().of(pairs(&all));
            let expected = Selected { selected: pairs(expected), over_limit: 0 };
            assert_eq!(selected, expected, "{patterns:?}");
        }
    }

    #[test]
    fn what_is_too_much_is_left_out_and_counted() {
        let mut many: Pairs = (0..40).map(|at| (format!("k{at:02}"), "v".to_owned())).collect();
        many[0].1 = "v".repeat(VALUE_BYTES_MAX + 1);
        let read = Selection::new(&["*".to_owned()]).unwrap().of(many);
        assert_eq!((read.selected.len(), read.over_limit), (PAIRS_MAX, 40 - PAIRS_MAX));
        assert_eq!(read.selected[0].0, "k01");
    }
}
