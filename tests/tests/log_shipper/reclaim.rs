//! A small disk: what is shipped gives way and what is not stays, on file systems that are really
//! full.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use e2e::binary::installed;
use e2e::pace::{SOON, holds_for, paced, wait_until};
use e2e::seed;
use e2e::shipper::{Settings, Shipper};
use e2e::sink::{Answer, Sink};
use e2e::workplace::{Mounted, Workplace};
use e2e::writer::{Numbered, rotated};

/// Of a file system of the tests.
const VOLUME_BYTES: u64 = 8 << 20;
/// What one batch holds at most, and the answer to it that a kill can cost.
const BATCH_BYTES: u64 = 512 << 10;

/// Bytes that a file system has free.
fn free_bytes(folder: &Path) -> u64 {
    let stat = rustix::fs::statvfs(folder).unwrap();
    stat.f_bavail * stat.f_frsize
}

fn disk_bytes(file: &Path) -> u64 {
    fs::metadata(file).unwrap().blocks() * 512
}

/// Leaves no byte free.
fn fill_up(folder: &Path) {
    let mut filler = File::create(folder.join("filler")).unwrap();
    for block in [1 << 20, 64 << 10, 4 << 10, 512, 1] {
        let bytes = vec![b'f'; block];
        while filler.write_all(&bytes).is_ok() {}
    }
    filler.sync_all().unwrap();
}

/// A file of ten times the volume is written at a pace that the shipper can keep, and fits.
fn check_small_volume(mount: impl FnOnce(&Path) -> Mounted, has_state: bool) {
    let (place, sink) = (Workplace::new(), Sink::start());
    let _volume = mount(&place.logs());
    let mut settings = Settings::new(&place, &sink).env("LOG_SHIPPER_RECLAIM", "true");
    if has_state {
        settings = settings.flag("--state-dir", place.log(".positions").to_str().unwrap());
    }
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.set_padding("p".repeat(1000));
    let mut most = 0;
    while log.file_bytes() <= 10 * VOLUME_BYTES {
        log.lines(200);
        most = most.max(disk_bytes(log.path()));
        sink.wait_records(log.written().len().saturating_sub(1000), SOON);
    }
    assert!(most < VOLUME_BYTES / 2, "{most}");
    shipper.wait_no_lag();
    let metrics = shipper.metrics();
    let size = metrics.sum("log_shipper_dir_bytes") - metrics.sum("log_shipper_dir_disk_bytes");
    assert!(size > 9.0 * VOLUME_BYTES as f64, "{size}");
    assert!(metrics.sum("log_shipper_hole_bytes_total") > 9.0 * VOLUME_BYTES as f64);
    assert!(metrics.sum("log_shipper_dir_free_bytes") > VOLUME_BYTES as f64 / 2.0);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

#[test]
fn a_live_file_of_ten_times_the_disk_fits_on_ext4() {
    check_small_volume(|folder| Mounted::ext4(folder, VOLUME_BYTES), true);
}

#[test]
fn a_live_file_of_ten_times_the_disk_fits_on_tmpfs() {
    check_small_volume(|folder| Mounted::tmpfs(folder, VOLUME_BYTES), false);
}

/// Rotated files go, whole, once they are shipped; `--after-ship keep` keeps their names.
#[test]
fn rotated_files_are_deleted_unless_they_are_to_stay() {
    for (after_ship, stays) in [(None, false), (Some("keep"), true)] {
        let (place, sink) = (Workplace::new(), Sink::start());
        let settings = Settings::new(&place, &sink).env("LOG_SHIPPER_RECLAIM", "yes");
        let settings = after_ship.iter().fold(settings, |it, what| it.flag("--after-ship", what));
        let shipper = settings.start();
        let mut log = Numbered::open(place.log("app.log"), "app");
        log.set_padding("p".repeat(1000));
        log.lines(4000);
        sink.wait_records(4000, SOON);
        log.rotate(3);
        log.lines(10);
        let old = rotated(log.path(), 1);
        if stays {
            assert!(holds_for(Duration::from_secs(4), || old.exists()));
            assert!(disk_bytes(&old) < 2 << 20, "{}", disk_bytes(&old));
        } else {
            wait_until("the end of the old file", SOON, || !old.exists());
        }
        shipper.drain_ok();
        sink.account(&[&log]).assert_exactly_once();
    }
}

/// The sink is dead and the disk is full to the last byte: nothing that was written is freed. When
/// the sink is back, what it takes is, though not even positions can be saved before.
#[test]
fn a_full_disk_and_a_dead_sink_lose_nothing() {
    for mount in [Mounted::ext4, Mounted::tmpfs] {
        let (place, sink) = (Workplace::new(), Sink::start());
        let volume = mount(&place.logs(), VOLUME_BYTES);
        let settings = Settings::new(&place, &sink).env("LOG_SHIPPER_RECLAIM", "1");
        let settings = settings.flag("--state-dir", place.log("state").to_str().unwrap());
        let settings = settings.flag("--max-dir-bytes", "100KiB");
        let shipper = settings.start();
        let mut log = Numbered::open(place.log("app.log"), "app");
        log.set_padding("p".repeat(1000));
        log.lines(1000);
        sink.wait_records(1000, SOON);
        shipper.wait_no_lag();
        sink.set(Answer::Status(503, None));
        let shipped_bytes = log.file_bytes();
        let room = |folder: &Path| free_bytes(folder) > 600 << 10;
        while room(&place.logs()) {
            log.lines(100);
            if log.written().len() == 3000 {
                log.rotate(3);
            }
        }
        fill_up(&place.logs());
        assert_eq!(free_bytes(&place.logs()), 0);
        sink.wait_attempts(4, SOON);
        let files = [log.path().to_owned(), rotated(log.path(), 1)];
        let sum = |of: fn(&Path) -> u64| files.iter().map(|file| of(file)).sum::<u64>();
        let unshipped_bytes = sum(|file| fs::metadata(file).unwrap().len()) - shipped_bytes;
        assert!(holds_for(Duration::from_secs(3), || sum(disk_bytes) >= unshipped_bytes));
        shipper.kill9();
        let shipper = settings.start();
        sink.set(Answer::Ok);
        sink.wait_distinct(log.written().len(), SOON);
        wait_until("free disk", SOON, || free_bytes(&place.logs()) > 2 << 20);
        shipper.wait_no_lag();
        log.lines(100);
        shipper.drain_ok();
        sink.account(&[&log]).assert_nothing_lost();
        drop(volume);
    }
}

/// Killed while holes are made, again and again: nothing is lost, and what comes twice was at most
/// one batch and what came since the last checkpoint.
#[test]
fn kills_while_holes_are_made() {
    const KILLS: u64 = 12;
    let (place, sink) = (Workplace::new(), Sink::start());
    let _volume = Mounted::ext4(&place.logs(), 4 * VOLUME_BYTES);
    let settings = Settings::new(&place, &sink).env("LOG_SHIPPER_RECLAIM", "on");
    let settings = settings.flag("--max-dir-bytes", "512KiB");
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.set_padding("p".repeat(500));
    let writer = log.in_background(40, Duration::from_millis(4));
    let mut random = seed::random();
    for _ in 0..KILLS {
        let shipper = settings.start();
        shipper.wait_metric("log_shipper_hole_bytes_total", |bytes| bytes > 0.0);
        paced(1, Duration::from_millis(random.below(300)), |_| {});
        shipper.kill9();
    }
    let log = writer.stop();
    let shipper = settings.start();
    sink.wait_distinct(log.written().len(), SOON);
    shipper.wait_no_lag();
    assert!(disk_bytes(log.path()) < 1 << 20, "{}", disk_bytes(log.path()));
    shipper.drain_ok();
    let account = sink.account(&[&log]);
    account.assert_nothing_lost();
    let doubled = account.doubled.len() as u64 * 520;
    assert!(doubled < KILLS * (BATCH_BYTES + (1 << 20)), "{doubled} bytes came twice");
}

/// Only with `--on-full drop-oldest` does something go that was not shipped, and it is counted.
#[test]
fn unshipped_files_go_last_and_only_if_allowed() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink).env("LOG_SHIPPER_RECLAIM", "true");
    let settings = settings.flag("--max-dir-bytes", "1MiB");
    let shipper = settings.clone().flag("--on-full", "drop-oldest").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.set_padding("p".repeat(1000));
    log.lines(500);
    sink.wait_records(500, SOON);
    shipper.wait_no_lag();
    sink.set(Answer::Hang);
    paced(4, Duration::from_millis(100), |_| {
        log.rotate(9);
        log.lines(600);
    });
    let unshipped = |shipper: &Shipper| {
        shipper.metrics().sum("log_shipper_reclaimed_unacknowledged_bytes_total")
    };
    wait_until("a smaller folder", SOON, || unshipped(&shipper) > 0.0);
    wait_until("a bounded folder", SOON, || {
        shipper.metrics().sum("log_shipper_dir_disk_bytes") < (1 << 20) as f64
    });
    // The one that was shipped went first; the one that is written stays.
    assert!(!rotated(log.path(), 4).exists() && log.path().exists());
    let lost = unshipped(&shipper);
    assert!(lost > 1_000_000.0 && lost < 2_500_000.0, "{lost}");
    sink.set(Answer::Ok);
    shipper.kill9();
}

/// Without the right to write the file nothing is punched; the rest works, and it says so once.
#[test]
fn without_the_right_it_ships_on_and_says_so() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let uid = 65532;
    for folder in [place.state(), place.logs(), place.path().to_owned()] {
        std::os::unix::fs::chown(&folder, Some(uid), Some(uid)).unwrap();
    }
    let path = place.log("app.log");
    drop(OpenOptions::new().create(true).append(true).open(&path).unwrap());
    let setpriv = installed("setpriv", "util-linux");
    let (uid, setpriv) = (uid.to_string(), setpriv.to_str().unwrap().to_owned());
    let words = [&setpriv, "--reuid", &uid, "--regid", &uid, "--clear-groups"];
    let settings = Settings::new(&place, &sink).env("LOG_SHIPPER_RECLAIM", "true");
    let mut shipper = settings.wrapped_in(&words).start();
    let mut log = Numbered::open(&path, "app");
    log.set_padding("p".repeat(1000));
    paced(5, Duration::from_millis(50), |_| log.lines(1000));
    sink.wait_records(5000, SOON);
    shipper.wait_no_lag();
    let metrics = shipper.metrics();
    let sums = ["hole_bytes", "reclaim_refused"]
        .map(|name| metrics.sum(&format!("log_shipper_{name}_total")).round());
    assert!(sums[0] < 1.0 && (sums[1] - 1.0).abs() < 0.1, "{sums:?}");
    assert!(disk_bytes(&path) > 5_000_000);
    let warnings = shipper.process().stderr_text();
    assert_eq!(warnings.matches("No right to make a hole").count(), 1, "{warnings}");
    // The directory is the shipper's: rotated files still go.
    log.rotate(3);
    wait_until("the end of the old file", SOON, || !rotated(&path, 1).exists());
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}
