//! Cyclic redundancy checks over a table made by the compiler: CRC-16/XMODEM and CRC-32.
//!
//! One table entry a byte is enough: keys are short. Slicing by eight would pay off from some
//! hundred bytes on and cost 8 KiB of cache.

const CRC16: [u32; 256] = crc16_table();
const CRC32: [u32; 256] = crc32_table();

/// CRC-16/XMODEM, but for an accumulator that is never cut to 16 bits: the upper half keeps what
/// was shifted out of the lower.
pub(crate) fn crc16(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc: u32, byte| {
        (crc << 8) ^ CRC16[usize::from((crc >> 8).to_le_bytes()[0] ^ byte)]
    })
}

/// CRC-32 as in Ethernet and zip.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(u32::MAX, |crc, byte| (crc >> 8) ^ CRC32[usize::from(crc.to_le_bytes()[0] ^ byte)])
}

const fn crc16_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index: u32 = 0;
    while index < 256 {
        let mut entry = index << 8;
        let mut bit = 0;
        while bit < 8 {
            entry = if entry & 0x8000 == 0 { entry << 1 } else { (entry << 1) ^ 0x1021 };
            bit += 1;
        }
        table[index as usize] = entry & 0xffff;
        index += 1;
    }
    table
}

const fn crc32_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index: u32 = 0;
    while index < 256 {
        let mut entry = index;
        let mut bit = 0;
        while bit < 8 {
            entry = if entry & 1 == 0 { entry >> 1 } else { (entry >> 1) ^ 0xedb8_8320 };
            bit += 1;
        }
        table[index as usize] = entry;
        index += 1;
    }
    table
}
