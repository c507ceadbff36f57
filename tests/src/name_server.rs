//! A name server with one test's names: they change, vanish, or get no answer at all.
//!
//! Addresses of IPv4 only, over UDP, at port 53 of an address that only the test's own network has.
//! A name that it does not know does not exist; for one that it knows it has no other records.
//! The files of /etc that point to it are laid over the real ones for one program.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::workplace::Workplace;

const HOST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);
const HEADER_BYTES: usize = 12;
const TYPE_A: [u8; 2] = [0, 1];
const NO_SUCH_NAME: u8 = 3;
/// Lays the first folder over /etc and becomes the program.
const OVERLAY: &str = "mount -t overlay overlay -o \"lowerdir=$0:/etc\" /etc; exec \"$@\"";

/// Answers until the end of the process.
#[derive(Debug, Clone)]
pub struct NameServer {
    names: Arc<Mutex<Names>>,
    etc: PathBuf,
}

#[derive(Debug, Default)]
struct Names {
    addresses: BTreeMap<String, Vec<Ipv4Addr>>,
    ttl_seconds: u32,
    silent: bool,
    questions: usize,
}

impl NameServer {
    /// Call it inside a network of the test's own. Names live for one second.
    pub fn start(place: &Workplace) -> Self {
        let etc = place.path().join("etc");
        fs::create_dir_all(&etc).unwrap();
        let resolv = format!("nameserver {HOST}\nsearch svc.test\noptions ndots:5\n");
        fs::write(etc.join("resolv.conf"), resolv).unwrap();
        let names = Arc::new(Mutex::new(Names { ttl_seconds: 1, ..Names::default() }));
        let socket = UdpSocket::bind((HOST, 53)).unwrap();
        let known = Arc::clone(&names);
        thread::spawn(move || serve(&socket, &known));
        Self { names, etc }
    }

    /// Words before a program that let it see this name server and nothing else.
    pub fn prefix(&self) -> Vec<String> {
        over_etc(&self.etc)
    }

    /// From now on the name has these addresses; none: it does not exist.
    pub fn set(&self, name: &str, addresses: &[Ipv4Addr]) {
        let mut names = self.names.lock().unwrap();
        if addresses.is_empty() {
            names.addresses.remove(name);
        } else {
            names.addresses.insert(name.to_owned(), addresses.to_vec());
        }
    }

    /// Takes questions and does not answer them.
    pub fn fall_silent(&self, silent: bool) {
        self.names.lock().unwrap().silent = silent;
    }

    /// How many questions came.
    pub fn questions(&self) -> usize {
        self.names.lock().unwrap().questions
    }
}

/// Words before a program for which the files of this folder are in /etc.
pub fn over_etc(etc: &std::path::Path) -> Vec<String> {
    let words = ["unshare", "--mount", "sh", "-euc", OVERLAY, etc.to_str().unwrap()];
    words.map(str::to_owned).into()
}

fn serve(socket: &UdpSocket, names: &Mutex<Names>) {
    let mut buffer = [0; 512];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).unwrap();
        let answer = answer(&buffer[..length], &mut names.lock().unwrap());
        if let Some(answer) = answer {
            // Whoever asked may be gone.
            socket.send_to(&answer, peer).ok();
        }
    }
}

/// None if there shall be no answer.
fn answer(question: &[u8], names: &mut Names) -> Option<Vec<u8>> {
    names.questions += 1;
    let (name, after) = read_name(question)?;
    let end = after + 4;
    let addresses = names.addresses.get(&name);
    let of_type = question.get(after..after + 2)? == TYPE_A;
    let records = addresses.filter(|_addresses| of_type).map_or(&[][..], Vec::as_slice);
    let code = if addresses.is_some() { 0 } else { NO_SUCH_NAME };
    let mut answer = question[..2].to_vec();
    // Answer, authoritative, recursion desired and available; one question.
    answer.extend([0x85, 0x80 | code, 0, 1, 0, u8::try_from(records.len()).ok()?, 0, 0, 0, 0]);
    answer.extend(question.get(HEADER_BYTES..end)?);
    for address in records {
        // The name is the one at the start of the question.
        answer.extend([0xc0, 12, 0, 1, 0, 1]);
        answer.extend(names.ttl_seconds.to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(address.octets());
    }
    (!names.silent).then_some(answer)
}

/// The name that is asked for, in small letters, and where it ends.
fn read_name(question: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut position) = (Vec::new(), HEADER_BYTES);
    loop {
        let length = usize::from(*question.get(position)?);
        position += 1;
        if length == 0 {
            return Some((labels.join("."), position));
        }
        let label = question.get(position..position + length)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        position += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::in_pod;
    use std::process::Command;

    #[test]
    fn names_come_and_go() {
        let place = Workplace::new();
        in_pod(place.path(), || {
            let server = NameServer::start(&place);
            let look = |name: &str| {
                let prefix = server.prefix();
                let mut command = Command::new(&prefix[0]);
                command.args(&prefix[1..]).args(["getent", "hosts", name]);
                String::from_utf8(command.output().unwrap().stdout).unwrap()
            };
            assert_eq!(look("redis"), "");
            server.set("redis.svc.test", &[Ipv4Addr::new(127, 0, 0, 9)]);
            assert!(look("redis").starts_with("127.0.0.9 "), "{}", look("redis"));
            assert!(server.questions() > 1);
        });
    }
}
