//! Where it must be able to run: as PID 1, as an unprivileged user, on a read-only root.

use std::fs;
use std::os::unix::fs::chown;

use e2e::binary::built;
use e2e::pace::{SOON, wait_for};
use e2e::process::Signal;
use e2e::workplace::{Workplace, free_address};
use rustix::process::{Pid, kill_process};

use crate::SUBJECTS;

/// The user of the images.
const UID: u32 = 65532;

/// PID 1 has no default actions for signals.
#[test]
fn it_works_as_the_first_process() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let mut words = ["unshare", "--pid", "--fork", "--kill-child"].map(Into::into).to_vec();
        words.push(built(subject.name).into());
        let mut running = subject.spawn(&place, &words, &(subject.idle)(&place), free_address());
        running.wait_ready();
        let unshare = running.guard.pid();
        let children = format!("/proc/{unshare}/task/{unshare}/children");
        let child = wait_for("the child", SOON, || {
            fs::read_to_string(&children).unwrap().split_whitespace().next()?.parse().ok()
        });
        kill_process(Pid::from_raw(child).unwrap(), Signal::TERM).unwrap();
        let (status, log) = running.end(SOON);
        assert_eq!(status, 0, "{log:?}");
    }
}

/// Builds the root in a mount namespace of its own, so that nothing has to be unmounted.
/// Volumes have the same paths inside as outside, because the arguments name them.
const CHROOT: &str = r#"
root=$1 place=$2 user=$3
shift 3
mount --bind "$root" "$root"
mount --bind "$place/logs" "$root$place/logs"
mount --bind "$place/state" "$root$place/state"
mount -t proc proc "$root/proc"
mount -o remount,ro,bind "$root"
exec chroot --userspec="$user:$user" "$root" /binary "$@"
"#;

/// Nothing on the root but the binary, /proc and the pod's volumes.
#[test]
fn it_works_without_rights_on_a_read_only_root() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let root = place.path().join("root");
        for volume in [place.logs(), place.state(), "/proc".into()] {
            fs::create_dir_all(root.join(volume.strip_prefix("/").unwrap())).unwrap();
        }
        fs::copy(built(subject.name), root.join("binary")).unwrap();
        chown(place.state(), Some(UID), Some(UID)).unwrap();
        let (root, folder) = (root.to_str().unwrap(), place.path().to_str().unwrap());
        let user = UID.to_string();
        let words = ["unshare", "--mount", "sh", "-euc", CHROOT, "sh", root, folder, &user];
        let words = words.map(Into::into);
        let mut running = subject.spawn(&place, &words, &(subject.idle)(&place), free_address());
        running.wait_ready();
        let proc = format!("/proc/{}", running.guard.pid());
        let status = fs::read_to_string(format!("{proc}/status")).unwrap();
        assert!(status.contains(&format!("Uid:\t{UID}\t{UID}\t{UID}\t{UID}\n")), "{status}");
        let mounts = fs::read_to_string(format!("{proc}/mounts")).unwrap();
        let of_root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/")).unwrap();
        assert!(of_root.contains(" ro,"), "{of_root}");
        running.signal(Signal::TERM);
        let (status, log) = running.end(SOON);
        assert_eq!(status, 0, "{log:?}");
    }
}
