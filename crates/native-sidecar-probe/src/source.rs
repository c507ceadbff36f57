//! Text that a user names: a file, or stdin as `-`.
//!
//! In goes a path and a limit in bytes, out comes its text or why not. A file that is longer is
//! refused rather than read in part: half a manifest is another manifest.

use std::fs::File;
use std::io::{self, Read};

/// Reads all of it.
///
/// # Errors
/// It cannot be opened or read, is no UTF-8, or is longer than `bytes_max`.
pub(crate) fn read(path: &str, bytes_max: usize) -> io::Result<String> {
    let reader: Box<dyn Read> = match path {
        "-" => Box::new(io::stdin()),
        path => Box::new(File::open(path)?),
    };
    let mut text = String::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let bytes = reader.take(limit.saturating_add(1)).read_to_string(&mut text)?;
    match bytes <= bytes_max {
        true => Ok(text),
        false => Err(io::Error::other(format!("it is longer than {bytes_max} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        let path = path.to_str().unwrap();
        assert_eq!(read(path, 5).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(path, "a: 1\n").unwrap();
        assert_eq!(read(path, 5).unwrap(), "a: 1\n");
        assert!(read(path, 4).is_err());
    }
}
