//! Gives back the memory of code that only the start needed.
//!
//! Parsing flags, reading certificates and the like map most of the executable, and the kernel maps
//! some neighbouring pages with each. Nothing of that is needed again, but it counts as resident for
//! as long as nothing presses. Once started, the process lets go of its code; what it goes on to run
//! comes back from the page cache, page by page, in microseconds.

use std::fs;
use std::os::raw::c_void;

use rustix::mm::{Advice, madvise};

/// Unmaps the resident pages of this executable's code. Does nothing where /proc is not mounted.
pub(crate) fn release_startup_code() {
    let (Ok(executable), Ok(maps)) =
        (fs::read_link("/proc/self/exe"), fs::read_to_string("/proc/self/maps"))
    else {
        return;
    };
    let executable = executable.to_string_lossy();
    for (start, end) in maps.lines().filter_map(|line| code_range(line, &executable)) {
        let address = std::ptr::with_exposed_provenance_mut::<c_void>(start);
        #[expect(unsafe_code, reason = "there is no safe way to name a range of one's own code")]
        // SAFETY: the range is a whole mapping of code, which is never written to; the kernel reads
        // its pages from the file again when they are run.
        let advised = unsafe { madvise(address, end - start, Advice::LinuxDontNeed) };
        if let Err(error) = advised {
            tracing::debug!(%error, "Cannot release the code of the start");
        }
    }
}

/// The addresses of a line of the process's maps, if it is code of the executable.
fn code_range(line: &str, executable: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    if rights != "r-xp" || fields.nth(3)? != executable {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_the_executable_is_named() {
        let name = "/log-shipper";
        let line = "7f10-7f20 r-xp 00001000 08:01 42                         /log-shipper";
        assert_eq!(code_range(line, name), Some((0x7f10, 0x7f20)));
        for other in [
            line.replace("r-xp", "r--p"),
            line.replace("r-xp", "rw-p"),
            line.replace("/log-shipper", "/lib/libc.so"),
            "7f10-7f20 r-xp 00000000 00:00 0 [vdso]".to_owned(),
            "7f10-7f20 r-xp 00000000 00:00 0".to_owned(),
            String::new(),
        ] {
            assert_eq!(code_range(&other, name), None, "{other}");
        }
    }

    #[test]
    fn the_process_goes_on_without_its_code() {
        release_startup_code();
        assert_eq!(code_range("", ""), None);
    }
}
