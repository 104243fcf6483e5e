//! What stands between the length and the body.

use crate::{ApiKey, DecodeError, Reader, Writer};

/// The header of a request, version 1, or 2 with tagged fields at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestHeader<'a> {
    /// Which message follows; see [`ApiKey::from_i16`].
    pub api_key: i16,
    /// Version of the message that follows.
    pub api_version: i16,
    /// Comes back in the response's header.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<&'a str>,
}

impl<'a> RequestHeader<'a> {
    /// Reads a header; the reader then stands at the body.
    ///
    /// For a key or version that is not supported the four fields are read all the same, so that an error can be sent
    /// back, but the reader then stands at bytes of unknown meaning.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let header = Self {
            api_key: reader.i16().map_err(|error| error.in_field("RequestHeader.api_key"))?,
            api_version: reader.i16().map_err(|error| error.in_field("RequestHeader.api_version"))?,
            correlation_id: reader.i32().map_err(|error| error.in_field("RequestHeader.correlation_id"))?,
            // The client id never became compact: a broker has to read it before it knows whether it knows the version.
            client_id: reader.nullable_string(false).map_err(|error| error.in_field("RequestHeader.client_id"))?,
        };
        if header.is_flexible() {
            reader.skip_tagged_fields().map_err(|error| error.in_field("RequestHeader.tagged_fields"))?;
        }
        Ok(header)
    }

    /// Appends the header.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.i16(self.api_key);
        writer.i16(self.api_version);
        writer.i32(self.correlation_id);
        writer.nullable_string(self.client_id, false);
        if self.is_flexible() {
            writer.uvarint(0);
        }
    }

    fn is_flexible(&self) -> bool {
        ApiKey::from_i16(self.api_key)
            .filter(|&key| crate::supports(key, self.api_version))
            .is_some_and(|key| key.request_header_version(self.api_version) >= 2)
    }
}

/// Appends the header of a response to a request of this key and version.
pub fn encode_response_header(key: ApiKey, version: i16, correlation_id: i32, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    writer.i32(correlation_id);
    if key.response_header_version(version) >= 1 {
        writer.uvarint(0);
    }
}

/// Reads the header of a response to a request of this key and version and returns the correlation id.
pub fn decode_response_header(key: ApiKey, version: i16, reader: &mut Reader<'_>) -> Result<i32, DecodeError> {
    let correlation_id = reader.i32().map_err(|error| error.in_field("ResponseHeader.correlation_id"))?;
    if key.response_header_version(version) >= 1 {
        reader.skip_tagged_fields().map_err(|error| error.in_field("ResponseHeader.tagged_fields"))?;
    }
    Ok(correlation_id)
}
