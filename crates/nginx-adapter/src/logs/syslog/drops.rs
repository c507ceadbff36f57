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

    const TABLE: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  411: 0100007F:1414 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 38211 2 0000000000000000 17
  412: 0100007F:1415 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 38212 2 0000000000000000 5
 cut
";

    #[test]
    fn drops_are_those_of_our_own_sockets() {
        assert_eq!(drops_in(TABLE, &[38211]), 17);
        assert_eq!(drops_in(TABLE, &[38212, 38211]), 22);
        assert_eq!(drops_in(TABLE, &[1]), 0);
        assert_eq!(drops_in("", &[1]), 0);
    }
}
