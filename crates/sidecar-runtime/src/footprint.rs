//! Gives back memory that is needed no more: code of the start, the heap of a crowd.
//!
//! Parsing flags, reading certificates and the like map most of the executable, and the kernel maps
//! some neighbouring pages with each. Nothing of that is needed again, but it counts as resident
//! for as long as nothing presses. Once started, the process lets go of its code; what it goes on
//! to run comes back from the page cache, page by page, in microseconds. The same, and a trim of
//! the heap, follows a crowd of connections, whose buffers the allocator would keep. The calls
//! for which there is no safe way are here, and nowhere else.

use std::convert::Infallible;
use std::os::raw::c_void;
use std::time::Duration;
use std::{fs, future};

use rustix::mm::{Advice, madvise};
use tokio::time;

/// When everything that only the start does is done, on any machine.
const STARTED_AFTER: Duration = Duration::from_secs(2);

/// Lets go of the code of the start when it is over, and of what came late once more; never ends.
pub(crate) async fn release_after_start() -> Infallible {
    release_startup_code();
    time::sleep(STARTED_AFTER).await;
    release_startup_code();
    future::pending().await
}

/// Makes all threads share one heap. A heap of a thread's own is never trimmed at its end.
pub(crate) fn share_heap() {
    #[expect(unsafe_code, reason = "glibc offers this to C only")]
    // SAFETY: it takes two numbers and may be called at any time.
    let taken = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    debug_assert_eq!(taken, 1, "glibc knows M_ARENA_MAX");
}

/// Gives back what a crowd of connections needed: free memory of the heap, and code. It takes some
/// milliseconds, so it is for the moment after the crowd.
pub fn release_after_crowd() {
    #[expect(unsafe_code, reason = "glibc offers this to C only")]
    // SAFETY: it takes a number, looks at nothing of ours and may be called at any time.
    let trimmed = unsafe { libc::malloc_trim(0) };
    tracing::debug!(trimmed, "Memory of a crowd given back");
    release_startup_code();
}

/// Unmaps the resident pages of this executable's code and constants. Does nothing where /proc is
/// not mounted.
fn release_startup_code() {
    let (Ok(executable), Ok(maps)) =
        (fs::read_link("/proc/self/exe"), fs::read_to_string("/proc/self/maps"))
    else {
        return;
    };
    let executable = executable.to_string_lossy();
    for (start, end) in maps.lines().filter_map(|line| code_range(line, &executable)) {
        let address = std::ptr::with_exposed_provenance_mut::<c_void>(start);
        #[expect(unsafe_code, reason = "there is no safe way to name a range of one's own code")]
        // SAFETY: the range is a whole mapping of code or constants, which is never written to; the
        // kernel reads its pages from the file again when they are used.
        let advised = unsafe { madvise(address, end - start, Advice::LinuxDontNeed) };
        if let Err(error) = advised {
            tracing::debug!(%error, "Cannot release the code of the start");
        }
    }
}

/// The addresses of a line of the process's maps, if it is code of the executable, or the constants
/// at its beginning. Other read-only parts were written to before, by relocation.
fn code_range(line: &str, executable: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    let offset = usize::from_str_radix(fields.next()?, 16).ok()?;
    let is_constant = rights == "r--p" && offset == 0;
    if !(rights == "r-xp" || is_constant) || fields.nth(2)? != executable {
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
        let constants = line.replace("r-xp 00001000", "r--p 00000000");
        assert_eq!(code_range(&constants, name), Some((0x7f10, 0x7f20)));
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
