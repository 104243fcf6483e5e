//! Zigzag varints as Protocol Buffers and Kafka's records use them, least significant group first.

/// Takes a 32-bit zigzag varint off the front of `bytes`; `None` if it is cut short or longer than five bytes.
#[inline]
pub(crate) fn take_i32(bytes: &mut &[u8]) -> Option<i32> {
    let raw = take_raw(bytes, 5)?;
    let raw = u32::try_from(raw).ok()?;
    Some((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

/// Takes a 64-bit zigzag varint off the front of `bytes`; `None` if it is cut short or longer than ten bytes.
#[inline]
pub(crate) fn take_i64(bytes: &mut &[u8]) -> Option<i64> {
    let raw = take_raw(bytes, 10)?;
    Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

pub(crate) fn put_i32(value: i32, out: &mut Vec<u8>) {
    put_raw(u64::from(((value << 1) ^ (value >> 31)) as u32), out);
}

pub(crate) fn put_i64(value: i64, out: &mut Vec<u8>) {
    put_raw(((value << 1) ^ (value >> 63)) as u64, out);
}

#[inline]
fn take_raw(bytes: &mut &[u8], bytes_max: usize) -> Option<u64> {
    let mut value = 0u64;
    for index in 0..bytes_max.min(bytes.len()) {
        let byte = bytes[index];
        let group = u64::from(byte & 0x7f);
        // The tenth group has room for one bit only.
        if index == 9 && group > 1 {
            return None;
        }
        value |= group << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = &bytes[index + 1..];
            return Some(value);
        }
    }
    None
}

fn put_raw(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_taken_back() {
        for value in [0, 1, -1, 63, 64, -64, -65, 8191, 1 << 20, i32::MAX, i32::MIN] {
            let mut out = Vec::new();
            put_i32(value, &mut out);
            let mut rest = &out[..];
            assert_eq!(take_i32(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
        for value in [0, -1, i64::from(i32::MAX) * 7, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            put_i64(value, &mut out);
            assert_eq!(take_i64(&mut &out[..]), Some(value));
        }
    }

    #[test]
    fn cut_and_overlong_numbers_are_refused() {
        assert_eq!(take_i32(&mut &[0x80u8][..]), None);
        assert_eq!(take_i32(&mut &[][..]), None);
        assert_eq!(take_i32(&mut &[0xff, 0xff, 0xff, 0xff, 0x7f][..]), None);
        assert_eq!(take_i64(&mut &[0xff; 11][..]), None);
    }
}
