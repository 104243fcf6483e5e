//! How each Rust type of a message field stands on the wire.

use std::borrow::Cow;

use crate::{DecodeError, ErrorCode, Float64, Reader, Records, Uuid, Writer};

/// The version of the message that is being read or written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version {
    /// As in the request's header.
    pub number: i16,
    /// Whether strings and arrays are compact and structs end in tagged fields (KIP-482).
    pub flexible: bool,
}

/// A type that can be a field, or an element of an array.
pub(crate) trait Field<'a>: Sized {
    /// The least a value can take in this version, in bytes. Bounds what an array's count may claim.
    fn bytes_min(version: Version) -> usize;
    fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError>;
    fn write(&self, writer: &mut Writer<'_>, version: Version);
}

/// The types whose form does not depend on the version.
macro_rules! fixed_fields {
    ($($ty:ty: $bytes:literal, $method:ident;)*) => {$(
        impl<'a> Field<'a> for $ty {
            #[inline]
            fn bytes_min(_version: Version) -> usize {
                $bytes
            }

            #[inline]
            fn read(reader: &mut Reader<'a>, _version: Version) -> Result<Self, DecodeError> {
                reader.$method()
            }

            #[inline]
            fn write(&self, writer: &mut Writer<'_>, _version: Version) {
                writer.$method(*self);
            }
        }
    )*};
}

fixed_fields! {
    bool: 1, bool;
    i8: 1, i8;
    i16: 2, i16;
    i32: 4, i32;
    i64: 8, i64;
    Float64: 8, f64;
    Uuid: 16, uuid;
}

impl<'a> Field<'a> for ErrorCode {
    #[inline]
    fn bytes_min(_version: Version) -> usize {
        2
    }

    #[inline]
    fn read(reader: &mut Reader<'a>, _version: Version) -> Result<Self, DecodeError> {
        reader.i16().map(Self::from_i16)
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>, _version: Version) {
        writer.i16(self.as_i16());
    }
}

impl<'a> Field<'a> for &'a str {
    #[inline]
    fn bytes_min(version: Version) -> usize {
        if version.flexible { 1 } else { 2 }
    }

    #[inline]
    fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        reader.string(version.flexible)
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.string(self, version.flexible);
    }
}

impl<'a> Field<'a> for Option<&'a str> {
    #[inline]
    fn bytes_min(version: Version) -> usize {
        <&str>::bytes_min(version)
    }

    #[inline]
    fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        reader.nullable_string(version.flexible)
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.nullable_string(*self, version.flexible);
    }
}

impl<'a> Field<'a> for Cow<'a, str> {
    #[inline]
    fn bytes_min(version: Version) -> usize {
        <&str>::bytes_min(version)
    }

    #[inline]
    fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        reader.string(version.flexible).map(Cow::Borrowed)
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.string(self, version.flexible);
    }
}

impl<'a> Field<'a> for Option<Cow<'a, str>> {
    #[inline]
    fn bytes_min(version: Version) -> usize {
        <&str>::bytes_min(version)
    }

    #[inline]
    fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        Ok(reader.nullable_string(version.flexible)?.map(Cow::Borrowed))
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.nullable_string(self.as_deref(), version.flexible);
    }
}

/// What a client says to other clients, opaque to the broker.
impl<'a> Field<'a> for &'a [u8] {
    #[inline]
    fn bytes_min(version: Version) -> usize {
        Option::<&[u8]>::bytes_min(version)
    }

    #[inline]
    fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let start = reader.position();
        reader.nullable_bytes(version.flexible)?.ok_or_else(|| unexpected_null(start))
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.nullable_bytes(Some(*self), version.flexible);
    }
}

/// Record batches of a produce request.
impl<'a> Field<'a> for Option<&'a [u8]> {
    #[inline]
    fn bytes_min(version: Version) -> usize {
        if version.flexible { 1 } else { 4 }
    }

    #[inline]
    fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        reader.nullable_bytes(version.flexible)
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.nullable_bytes(*self, version.flexible);
    }
}

/// Record batches of a fetch response.
impl<'a> Field<'a> for Records<'a> {
    #[inline]
    fn bytes_min(version: Version) -> usize {
        Option::<&[u8]>::bytes_min(version)
    }

    #[inline]
    fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        Ok(reader.nullable_bytes(version.flexible)?.map_or(Self::None, Self::Bytes))
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.records(self, version.flexible);
    }
}

impl<'a, T: Field<'a>> Field<'a> for Vec<T> {
    #[inline]
    fn bytes_min(version: Version) -> usize {
        if version.flexible { 1 } else { 4 }
    }

    #[inline]
    fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let start = reader.position();
        match Option::<Vec<T>>::read(reader, version)? {
            Some(elements) => Ok(elements),
            None => Err(unexpected_null(start)),
        }
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.length(Some(self.len()), version.flexible);
        for element in self {
            element.write(writer, version);
        }
    }
}

impl<'a, T: Field<'a>> Field<'a> for Option<Vec<T>> {
    #[inline]
    fn bytes_min(version: Version) -> usize {
        Vec::<T>::bytes_min(version)
    }

    #[inline]
    fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let Some(count) = reader.array_count(version.flexible, T::bytes_min(version))? else { return Ok(None) };
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(T::read(reader, version)?);
        }
        Ok(Some(elements))
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        match self {
            Some(elements) => elements.write(writer, version),
            None => writer.length(None, version.flexible),
        }
    }
}

/// Null, at this position, where the version does not allow it.
#[cold]
pub(crate) fn unexpected_null(at: usize) -> DecodeError {
    DecodeError { field: "", at, reason: crate::DecodeReason::UnexpectedNull }
}
