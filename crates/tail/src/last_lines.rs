//! Where the last lines of a file begin.
//!
//! In: an open file, its size, a number of lines. Out: an offset. The file is read backwards in
//! blocks, and no further than [`LOOK_BACK_BYTES_MAX`]: who asks for context wants some lines, not
//! a search through gigabytes that hold no line end.

use std::fs::File;
use std::io;

use memchr::memrchr_iter;

use crate::identity::read_up_to;

const BLOCK_BYTES: usize = 64 << 10;
/// Where the search ends, in bytes before the end of the file.
const LOOK_BACK_BYTES_MAX: u64 = 64 << 20;

/// The first byte of the last `lines` lines before `size`. A last line without an end counts. Fewer
/// lines if there are not so many, or not so many within the limit.
pub(crate) fn start_of(file: &File, size: u64, lines: u64) -> io::Result<u64> {
    let lowest = size.saturating_sub(LOOK_BACK_BYTES_MAX);
    let (mut start, mut found, mut end) = (size, 0, size);
    let mut block = vec![0; BLOCK_BYTES];
    while end > lowest && lines > 0 {
        let from = end.saturating_sub(BLOCK_BYTES as u64).max(lowest);
        let wanted = usize::try_from(end - from).unwrap_or(BLOCK_BYTES);
        let filled = read_up_to(file, &mut block[..wanted], from)?;
        for at in memrchr_iter(b'\n', &block[..filled]) {
            let behind = from + at as u64 + 1;
            // The end of the last line is no beginning of another one.
            if behind == size {
                continue;
            }
            (start, found) = (behind, found + 1);
            if found == lines {
                return Ok(start);
            }
        }
        end = from;
    }
    Ok(if end == 0 && lines > 0 { 0 } else { start })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[track_caller]
    fn check(text: &[u8], lines: u64, expected: u64) {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(text, 0).unwrap();
        assert_eq!(start_of(&file, text.len() as u64, lines).unwrap(), expected, "{lines}");
    }

    #[test]
    fn lines_are_counted_from_the_end() {
        for (text, lines, expected) in [
            ("one\ntwo\nthree\n", 0, 14),
            ("one\ntwo\nthree\n", 1, 8),
            ("one\ntwo\nthree\n", 2, 4),
            ("one\ntwo\nthree\n", 3, 0),
            ("one\ntwo\nthree\n", 9, 0),
            ("one\ntwo\nthr", 1, 8),
            ("one\ntwo\nthr", 2, 4),
            ("\n\n\n", 2, 1),
            ("", 3, 0),
            ("no end", 1, 0),
        ] {
            check(text.as_bytes(), lines, expected);
        }
    }

    #[test]
    fn lines_lie_across_blocks() {
        let long = "x".repeat(BLOCK_BYTES - 1) + "\n";
        let text = format!("first\n{long}{long}last\n");
        check(text.as_bytes(), 1, text.len() as u64 - 5);
        check(text.as_bytes(), 2, 6 + BLOCK_BYTES as u64);
        check(text.as_bytes(), 3, 6);
        check(text.as_bytes(), 4, 0);
    }

    #[test]
    fn the_search_has_an_end() {
        let size = LOOK_BACK_BYTES_MAX + (1 << 20);
        let file = tempfile::tempfile().unwrap();
        file.set_len(size).unwrap();
        file.write_all_at(b"early\n", 0).unwrap();
        assert_eq!(start_of(&file, size, 1).unwrap(), size);
        file.write_all_at(b"\nlate", size - 5).unwrap();
        assert_eq!(start_of(&file, size, 2).unwrap(), size - 4);
    }
}
