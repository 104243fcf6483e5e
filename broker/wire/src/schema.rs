//! Declares messages in one place each, much as Kafka's schemas do.
//!
//! A field reads `name: Type [versions, null versions, tag number] = default`. What stands in brackets may be left out:
//! the field is then in every version of the message, nullable in all of them if its type is an `Option`, and not tagged.
//! Without a default of its own a field has that of its type. Fields stand in the order of the wire, which is the
//! schema's; tagged ones follow the others there.

/// Declares structs that are messages or parts of messages: the type, its default, reading and writing.
macro_rules! structs {
    ($(
        $(#[$struct_meta:meta])*
        pub struct $name:ident $(<$lifetime:lifetime>)? {$(
            $(#[$field_meta:meta])*
            pub $field:ident: $ty:ty
                $([$versions:expr $(, null $null:expr)? $(, tag $tag:literal)?])?
                $(= $default:expr)?
        ),* $(,)?}
    )*) => {$(
        $(#[$struct_meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name $(<$lifetime>)? {
            $($(#[$field_meta])* pub $field: $ty,)*
        }

        impl $(<$lifetime>)? Default for $name $(<$lifetime>)? {
            fn default() -> Self {
                Self { $($field: $crate::schema::default_of!($($default)?),)* }
            }
        }

        impl<'a> $crate::field::Field<'a> for $name $(<$lifetime>)? {
            #[inline]
            fn bytes_min(version: $crate::field::Version) -> usize {
                let mut bytes = usize::from(version.flexible);
                $(
                    $crate::schema::untagged! { ($($($tag)?)?)
                        if $crate::schema::present!(version, $($versions)?) {
                            bytes += <$ty as $crate::field::Field>::bytes_min(version);
                        }
                    }
                )*
                bytes
            }

            #[inline]
            fn read(
                reader: &mut $crate::Reader<'a>,
                version: $crate::field::Version,
            ) -> Result<Self, $crate::DecodeError> {
                let mut value = Self::default();
                $(
                    $crate::schema::untagged! { ($($($tag)?)?)
                        if $crate::schema::present!(version, $($versions)?) {
                            let start = reader.position();
                            value.$field = $crate::field::Field::read(reader, version)
                                .map_err(|error| error.in_field(concat!(stringify!($name), ".", stringify!($field))))?;
                            $crate::schema::refuse_null!(
                                value.$field, version, start, concat!(stringify!($name), ".", stringify!($field)),
                                $($($null)?)?
                            );
                        }
                    }
                )*
                if version.flexible {
                    reader.tagged_fields(|tag, _reader| {
                        match tag {
                            $($($(
                                $tag if $versions.contains(&version.number) => {
                                    value.$field = $crate::field::Field::read(_reader, version).map_err(|error| {
                                        error.in_field(concat!(stringify!($name), ".", stringify!($field)))
                                    })?;
                                    Ok(true)
                                }
                            )?)?)*
                            _ => Ok(false),
                        }
                    }).map_err(|error| error.in_field(concat!(stringify!($name), ".tagged_fields")))?;
                }
                Ok(value)
            }

            #[inline]
            fn write(&self, writer: &mut $crate::Writer<'_>, version: $crate::field::Version) {
                $(
                    $crate::schema::untagged! { ($($($tag)?)?)
                        if $crate::schema::present!(version, $($versions)?) {
                            $crate::schema::write_field!(self.$field, $ty, writer, version, $($($null)?)?);
                        }
                    }
                )*
                if version.flexible {
                    // A tagged field that has its default is not sent (KIP-482). Tags are declared in ascending order.
                    let _defaults = Self::default();
                    let sent: &[(u32, bool)] = &[$($($(
                        ($tag, $versions.contains(&version.number) && self.$field != _defaults.$field),
                    )?)?)*];
                    writer.uvarint(sent.iter().filter(|(_, is_sent)| *is_sent).count() as u32);
                    $($($(
                        if $versions.contains(&version.number) && self.$field != _defaults.$field {
                            writer.tagged_field($tag, |writer| {
                                $crate::field::Field::write(&self.$field, writer, version);
                            });
                        }
                    )?)?)*
                }
            }
        }
    )*};
}

/// Gives a struct the inherent `decode` and `encode` of a message's body.
macro_rules! message {
    ($name:ident $(<$lifetime:lifetime>)?, $key:ident, versions $versions:expr) => {
        $crate::schema::message! { @decode $name $(<$lifetime>)?, $key, $versions }

        impl $(<$lifetime>)? $name $(<$lifetime>)? {
            /// Appends the body, without header.
            ///
            /// # Panics
            /// If the message does not have this version; check with [`supports`](crate::supports) first.
            pub fn encode(&self, version: i16, out: &mut Vec<u8>) {
                let version = Self::version(version).expect("the caller has checked the version");
                $crate::field::Field::write(self, &mut $crate::Writer::new(out), version);
            }
        }
    };
    (@decode $name:ident $(<$lifetime:lifetime>)?, $key:ident, $versions:expr) => {
        impl<'a> $name $(<$lifetime>)? {
            /// Reads the body, without header. Bytes after it are left to the caller.
            pub fn decode(version: i16, reader: &mut $crate::Reader<'a>) -> Result<Self, $crate::DecodeError> {
                match Self::version(version) {
                    Some(version) => $crate::field::Field::read(reader, version),
                    None => Err($crate::DecodeError {
                        field: stringify!($name),
                        at: reader.position(),
                        reason: $crate::DecodeReason::UnknownVersion { version },
                    }),
                }
            }

            /// The version, if the message has it.
            fn version(number: i16) -> Option<$crate::field::Version> {
                let flexible = number >= $crate::ApiKey::$key.flexible_from();
                $versions.contains(&number).then_some($crate::field::Version { number, flexible })
            }
        }
    };
}

/// A declared default, or that of the type.
macro_rules! default_of {
    () => {
        Default::default()
    };
    ($default:expr) => {
        $default
    };
}

/// Whether a field is in this version: always, unless versions are declared.
macro_rules! present {
    ($version:expr,) => {
        true
    };
    ($version:expr, $versions:expr) => {
        $versions.contains(&$version.number)
    };
}

/// The statement, unless the field has a tag.
macro_rules! untagged {
    (() $($statement:tt)*) => { $($statement)* };
    (($tag:literal) $($statement:tt)*) => {};
}

/// Fails if the value is null in a version that does not allow it.
macro_rules! refuse_null {
    ($value:expr, $version:expr, $start:expr, $name:expr,) => {
        let _ = $start;
    };
    ($value:expr, $version:expr, $start:expr, $name:expr, $null:expr) => {
        if $value.is_none() && !$null.contains(&$version.number) {
            return Err($crate::field::unexpected_null($start).in_field($name));
        }
    };
}

/// Writes a field; null is sent as empty in a version that does not allow it.
macro_rules! write_field {
    ($value:expr, $ty:ty, $writer:expr, $version:expr,) => {
        $crate::field::Field::write(&$value, $writer, $version)
    };
    ($value:expr, $ty:ty, $writer:expr, $version:expr, $null:expr) => {
        if $value.is_none() && !$null.contains(&$version.number) {
            let empty: $ty = Some(Default::default());
            $crate::field::Field::write(&empty, $writer, $version);
        } else {
            $crate::field::Field::write(&$value, $writer, $version);
        }
    };
}

pub(crate) use {default_of, message, present, refuse_null, structs, untagged, write_field};
