//! What the first page claims of each image: its size, its memory without work, and how it compares
//! with what it replaces.
//!
//! Sizes and memory are those of the binaries that the images hold; a claim below what is measured
//! here fails, and one far above it as well. The comparisons are made from the tables in the pages
//! of the images, which the benchmarks wrote: the first page may not tell another story.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::binary::{installed, released};
use e2e::pace::{SOON, wait_until};
use e2e::process::{Guard, command};
use e2e::workplace::{Workplace, free_address};

use crate::SUBJECTS;

const PROBE: &str = "native-sidecar-probe";
/// Beside the binary: the list of what is in it.
const BESIDE_MB: f64 = 0.1;
/// A claim is rounded up, and holds on machines whose linkers and kernels differ a little.
const ROUNDING_MB: f64 = 1.0;
const COLUMN_SIZE: usize = 1;
const COLUMN_MEMORY: usize = 2;
const COLUMN_COMPARED: usize = 4;

/// A figure in a page: the first cell of its row in the table under this heading, and the column.
type Figure = (&'static str, &'static str, usize);

/// A comparison, in the words of the first page.
#[derive(Debug)]
struct Comparison {
    image: &'static str,
    own: Figure,
    /// Else the figure is a ratio as it stands.
    peer: Option<Figure>,
    words: &'static str,
}

const SHIPPED: &str = "bytes, from the start**";
const SCRAPES: &str = "**Scrapes**";
const REQUESTS: &str = "**CPU per request, µs**";
const RESIDENT: &str = "**Memory**";

const COMPARISONS: [Comparison; 7] = [
    Comparison {
        image: "log-shipper",
        own: (SHIPPED, "HTTP, JSON | log-shipper", 2),
        peer: Some((SHIPPED, "TCP | rsyslog", 2)),
        words: "of rsyslog's CPU",
    },
    Comparison {
        image: "log-shipper",
        own: (SHIPPED, "HTTP, JSON | log-shipper", 4),
        peer: Some((SHIPPED, "TCP | rsyslog", 4)),
        words: "of its memory",
    },
    Comparison {
        image: "nginx-adapter",
        own: (SCRAPES, "CPU per scrape, one after the other, µs", 1),
        peer: Some((SCRAPES, "CPU per scrape, one after the other, µs", 2)),
        words: "of its CPU",
    },
    Comparison {
        image: "nginx-adapter",
        own: (SCRAPES, "resident after 5000 scrapes, MB", 1),
        peer: Some((SCRAPES, "resident after 5000 scrapes, MB", 2)),
        words: "of its memory",
    },
    Comparison {
        image: "redis-ambassador",
        own: (REQUESTS, "GET 1 KiB P1", 3),
        peer: None,
        words: "of its CPU at one request at a time",
    },
    Comparison {
        image: "redis-ambassador",
        own: (REQUESTS, "GET 1 KiB P16", 3),
        peer: None,
        words: "at 16",
    },
    Comparison {
        image: "redis-ambassador",
        own: (RESIDENT, "10000 connections after one GET each, MB", 2),
        peer: Some((RESIDENT, "10000 connections after one GET each, MB", 1)),
        words: "of its memory with 10,000 clients",
    },
];

#[test]
fn images_are_no_larger_than_claimed() {
    for name in images() {
        let bytes = fs::metadata(released(name)).unwrap().len();
        let measured = megabytes(bytes) + BESIDE_MB;
        let claimed = figure(&row(name)[COLUMN_SIZE]);
        assert!(measured <= claimed, "{name}: {measured:.2} MB, claimed are {claimed}");
        assert!(claimed <= measured + ROUNDING_MB, "{name}: claimed are {claimed}, not {measured}");
    }
}

#[test]
fn sidecars_idle_in_no_more_than_claimed() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let words = [released(subject.name).into()];
        let running = subject.spawn(&place, &words, &(subject.idle)(&place), free_address());
        running.wait_logged("Started");
        settles_below(subject.name, &running.guard);
    }
}

/// Its longest stay is the idle copy of a universal sidecar.
#[test]
fn the_probe_idles_in_no_more_than_claimed() {
    let place = Workplace::new();
    let mut copy = command(released(PROBE));
    copy.args(["universal", "regular", "--name=web", "--settle=50ms", "--dir"]).arg(place.state());
    copy.arg("--").arg(installed("sleep", "coreutils")).arg("3600");
    let copy = Guard::spawn(copy, place.path(), PROBE);
    wait_until("the command", SOON, || copy.stderr_text().contains("Command started"));
    settles_below(PROBE, &copy);
}

/// Memory of the start goes back after a moment.
fn settles_below(name: &str, guard: &Guard) {
    let claimed = figure(&row(name)[COLUMN_MEMORY]);
    let what = format!("{name} in {claimed} MB, and not in far less");
    wait_until(&what, SOON, || {
        let measured = megabytes(guard.rss_bytes());
        measured <= claimed && claimed <= measured + ROUNDING_MB
    });
}

#[test]
fn comparisons_are_those_of_the_benchmarks() {
    for comparison in &COMPARISONS {
        let page = page(&format!("images/{}/README.md", comparison.image));
        let own = measured(&page, comparison.own);
        let ratio = comparison.peer.map_or(own, |peer| own / measured(&page, peer));
        let claim = format!("{ratio:.2} {}", comparison.words);
        let cell = &row(comparison.image)[COLUMN_COMPARED];
        assert!(cell.contains(&claim), "{}: {claim:?} is not in {cell:?}", comparison.image);
    }
}

/// The median in a table that a benchmark wrote.
fn measured(page: &str, (heading, first, column): Figure) -> f64 {
    let table = page.split_once(heading).map(|(_before, table)| table).unwrap_or_default();
    let row = table.lines().find(|line| line.starts_with(&format!("| {first} |")));
    assert!(row.is_some(), "no row {first} under {heading}");
    figure(&cells(row.unwrap())[column])
}

/// The cells of an image's row on the first page.
fn row(image: &str) -> Vec<String> {
    let page = page("README.md");
    let row = page.lines().find(|line| line.starts_with(&format!("| [{image}]")));
    assert!(row.is_some(), "README.md has no row of {image}");
    cells(row.unwrap())
}

fn cells(row: &str) -> Vec<String> {
    row.trim_matches(['|', ' ']).split(" | ").map(str::to_owned).collect()
}

/// `6.2 MB`, or `101 (97–101)`: the number at the beginning.
fn figure(cell: &str) -> f64 {
    let number = cell.split(' ').next().and_then(|word| word.parse().ok());
    assert!(number.is_some(), "no number in {cell:?}");
    number.unwrap()
}

fn megabytes(bytes: u64) -> f64 {
    // Below a gigabyte nothing is lost.
    f64::from(u32::try_from(bytes).unwrap()) / 1e6
}

fn images() -> Vec<&'static str> {
    SUBJECTS.iter().map(|subject| subject.name).chain([PROBE]).collect()
}

fn page(path: &str) -> String {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    fs::read_to_string(root.join(path)).unwrap()
}
