//! The input: lines as nginx's combined format writes them, the same on every machine.
//!
//! A small generator with a fixed seed makes lines of about 180 bytes. The file is kept in the
//! temporary folder between runs, because making it takes longer than some measurements.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::PathBuf;

use e2e::random::Random;

use crate::progress;

const SEED: u64 = 0x005e_ed0f_1095;
const CHUNK_BYTES: usize = 1 << 20;

const PATHS: [&str; 8] = [
    "/",
    "/index.html",
    "/static/app.9f3c2a.js",
    "/static/css/main.4be1.css",
    "/api/v1/items?page=",
    "/api/v1/orders/",
    "/images/products/large/",
    "/search?q=blue+shoes&sort=price&offset=",
];
const REFERERS: [&str; 4] =
    ["-", "https://shop.example/", "https://www.example.com/search", "https://shop.example/cart"];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/17.5",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0.0.0",
    "kube-probe/1.32",
];
const STATUSES: [u16; 8] = [200, 200, 200, 200, 304, 301, 404, 500];

/// A finished file of lines.
#[derive(Debug)]
pub(crate) struct Corpus {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
}

impl Corpus {
    /// Of at least so many bytes, less than a line more. In the page cache afterwards.
    pub(crate) fn cached(bytes: u64) -> Self {
        let folder = std::env::temp_dir().join("outrider-bench");
        fs::create_dir_all(&folder).unwrap();
        // Short, because it is in every JSON record.
        let path = folder.join(format!("{}MB.log", bytes / 1_000_000));
        if !path.is_file() {
            progress(&format!("writing {} once", path.display()));
            let unfinished = path.with_extension("unfinished");
            write_lines(&unfinished, bytes);
            fs::rename(&unfinished, &path).unwrap();
        }
        let mut corpus = Self { path, bytes: 0, lines: 0 };
        let mut file = File::open(&corpus.path).unwrap();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = file.read(&mut chunk).unwrap();
            if read == 0 {
                return corpus;
            }
            corpus.bytes += read as u64;
            corpus.lines += memchr::memchr_iter(b'\n', &chunk[..read]).count() as u64;
        }
    }
}

fn write_lines(path: &std::path::Path, bytes: u64) {
    let mut file = BufWriter::with_capacity(CHUNK_BYTES, File::create(path).unwrap());
    let mut random = Random::new(SEED);
    let mut line = Vec::new();
    let mut written = 0;
    while written < bytes {
        line.clear();
        append_line(&mut line, &mut random);
        file.write_all(&line).unwrap();
        written += line.len() as u64;
    }
    file.flush().unwrap();
}

fn append_line(line: &mut Vec<u8>, random: &mut Random) {
    let ip = random.number().to_be_bytes();
    let second = random.below(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    writeln!(
        line,
        "{}.{}.{}.{} - - [22/Nov/2026:{hour:02}:{minute:02}:{second:02} +0000] \
         \"GET {}{} HTTP/1.1\" {} {} \"{}\" \"{}\"",
        ip[0],
        ip[1],
        ip[2],
        ip[3],
        random.one_of(&PATHS),
        random.below(100_000),
        random.one_of(&STATUSES),
        random.below(60_000),
        random.one_of(&REFERERS),
        random.one_of(&AGENTS)
    )
    .unwrap();
}
