//! Appends values to a buffer, the counterpart of [`Reader`](crate::Reader).

use crate::reader::STRING_BYTES_MAX;
use crate::{Float64, Gap, Records, Uuid};

/// Appends to a buffer and notes the gaps that out-of-line records leave in it. Numbers are big endian.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
    gaps: Vec<Gap>,
}

impl<'o> Writer<'o> {
    /// Appends after what `out` already holds.
    #[inline]
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, gaps: Vec::new() }
    }

    /// The gaps left for out-of-line records, in order.
    #[inline]
    pub fn into_gaps(self) -> Vec<Gap> {
        self.gaps
    }

    /// Bytes as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// One byte.
    #[inline]
    pub fn i8(&mut self, value: i8) {
        self.raw(&value.to_be_bytes());
    }

    /// Two bytes.
    #[inline]
    pub fn i16(&mut self, value: i16) {
        self.raw(&value.to_be_bytes());
    }

    /// Four bytes.
    #[inline]
    pub fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    /// Eight bytes.
    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    /// Eight bytes, IEEE 754.
    #[inline]
    pub fn f64(&mut self, value: Float64) {
        self.raw(&value.get().to_be_bytes());
    }

    /// One byte, 0 or 1.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.i8(i8::from(value));
    }

    /// Sixteen bytes.
    #[inline]
    pub fn uuid(&mut self, value: Uuid) {
        self.raw(&value.0);
    }

    /// An unsigned varint (KIP-482).
    #[inline]
    pub fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// A string or null, compact if `flexible`. More than 32 767 bytes cannot be sent: the rest is cut off at a character
    /// boundary, because a reply with a shortened message serves the client better than none.
    #[inline]
    pub fn nullable_string(&mut self, value: Option<&str>, flexible: bool) {
        let value = value.map(|text| &text[..text.floor_char_boundary(STRING_BYTES_MAX)]);
        let length = value.map(str::len);
        if flexible {
            self.compact_length(length);
        } else {
            self.i16(length.map_or(-1, |length| length as i16));
        }
        self.raw(value.unwrap_or_default().as_bytes());
    }

    /// A string, compact if `flexible`.
    #[inline]
    pub fn string(&mut self, value: &str, flexible: bool) {
        self.nullable_string(Some(value), flexible);
    }

    /// Bytes or null, compact if `flexible`.
    #[inline]
    pub fn nullable_bytes(&mut self, value: Option<&[u8]>, flexible: bool) {
        self.length(value.map(<[u8]>::len), flexible);
        self.raw(value.unwrap_or_default());
    }

    /// Record batches; those out of line leave a gap of no bytes here, which the caller fills when it sends.
    #[inline]
    pub fn records(&mut self, value: &Records<'_>, flexible: bool) {
        match *value {
            Records::None => self.nullable_bytes(None, flexible),
            Records::Bytes(bytes) => self.nullable_bytes(Some(bytes), flexible),
            Records::OutOfLine(len) => {
                self.length(Some(len), flexible);
                self.gaps.push(Gap { at: self.out.len(), len });
            }
        }
    }

    /// The length of bytes or the element count of an array, or null; compact if `flexible`.
    ///
    /// # Panics
    /// If it does not fit into 31 bits: frames are far smaller.
    #[inline]
    pub fn length(&mut self, length: Option<usize>, flexible: bool) {
        if flexible {
            self.compact_length(length);
        } else {
            self.i32(length.map_or(-1, |length| i32::try_from(length).expect("lengths fit into a frame")));
        }
    }

    /// One tagged field: the tag, the size of the value and the value that `write` appends.
    #[inline]
    pub fn tagged_field(&mut self, tag: u32, write: impl FnOnce(&mut Self)) {
        self.uvarint(tag);
        let start = self.out.len();
        write(self);
        let size = self.out.len() - start;
        self.uvarint(u32::try_from(size).expect("a tagged field fits into a frame"));
        // The size was appended after the value, whose length was not known; it belongs before it.
        let size_bytes = self.out.len() - start - size;
        self.out[start..].rotate_right(size_bytes);
    }

    /// A compact length is sent plus one, and zero is null.
    #[inline]
    fn compact_length(&mut self, length: Option<usize>) {
        let sent = length.map_or(0, |length| i32::try_from(length).expect("lengths fit into a frame") as u32 + 1);
        self.uvarint(sent);
    }
}
