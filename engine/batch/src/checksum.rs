//! CRC-32C (Castagnoli), the checksum of batches, of journal groups and of frames.
//!
//! The crate crc-fast folds with carry-less multiplication (AVX-512 where present): measured at 85 GB/s on 64 KiB in
//! cache, where the three-way SSE 4.2 loop of the crate crc32c gives 22 GB/s.

use crc_fast::{CrcAlgorithm, Digest};

/// The CRC-32C of `bytes`.
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The CRC-32C of everything that gave `crc`, followed by `bytes`.
pub fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!crc));
    digest.update(bytes);
    digest.finalize() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_check_value_comes_out() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn every_length_and_split_agrees_with_another_implementation() {
        let bytes: Vec<u8> = (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for length in (0..600).chain([1023, 1024, 1025, 4095, 4096, 5000]) {
            let expected = ::crc32c::crc32c(&bytes[..length]);
            assert_eq!(crc32c(&bytes[..length]), expected, "length {length}");
            for split in [0, length / 3, length / 2, length] {
                let joined = crc32c_append(crc32c(&bytes[..split]), &bytes[split..length]);
                assert_eq!(joined, expected, "length {length} split {split}");
            }
        }
    }
}
