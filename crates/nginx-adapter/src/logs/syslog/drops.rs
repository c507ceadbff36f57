//! How many datagrams the kernel dropped.
//!
//! In: the inodes of UDP sockets. Out: the sum of the column `drops` of their lines in
//! `/proc/net/udp` and `/proc/net/udp6`, read when somebody scrapes. `SO_RXQ_OVFL` was not taken:
//! it tells only with the next datagram that comes.

use std::fs;

/// The columns of a line, counted from 0.
const INODE_COLUMN: usize = 9;
const DROPS_COLUMN: usize = 12;

/// The UDP sockets of this process.
#[derive(Debug, Default)]
pub(crate) struct UdpDrops {
    inodes: Vec<u64>,
}

impl UdpDrops {
    pub(crate) fn new(inodes: Vec<u64>) -> UdpDrops {
        UdpDrops { inodes }
    }

    pub(crate) fn read(&self) -> u64 {
        if self.inodes.is_empty() {
            return 0;
        }
        let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
        let texts = tables.iter().filter_map(|path| fs::read_to_string(path).ok());
        texts.map(|text| drops_in(&text, &self.inodes)).sum()
    }
}

fn drops_in(table: &str, inodes: &[u64]) -> u64 {
    let of_line = |line: &str| {
        let mut columns = line.split_ascii_whitespace();
        let inode: u64 = columns.nth(INODE_COLUMN)?.parse().ok()?;
        let drops: u64 = columns.nth(DROPS_COLUMN - INODE_COLUMN - 1)?.parse().ok()?;
        inodes.contains(&inode).then_some(drops)
    };
    table.lines().skip(1).filter_map(of_line).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the columns of the kernel's table.
    fn table(sockets: &[(u64, u64)]) -> String {
        let head = "  sl  local_address rem_address st tx_queue rx_queue tr ... inode ref drops\n";
        sockets.iter().fold(head.to_owned(), |table, (inode, drops)| {
            let addrs = "411: 0100007F:1414 00000000:0000 07 00000000:00000000 00:00000000";
            table + &format!("{addrs} 00000000 0 0 {inode} 2 0000000000000000 {drops}\n")
        })
    }

    #[test]
    fn drops_are_those_of_our_own_sockets() {
        let sockets = table(&[(38211, 17), (38212, 5)]);
        assert_eq!(drops_in(&sockets, &[38211]), 17);
        assert_eq!(drops_in(&sockets, &[38212, 38211]), 22);
        assert_eq!(drops_in(&(sockets + " cut\n"), &[1]), 0);
        assert_eq!(drops_in("", &[1]), 0);
    }
}
