//! Bytes from the network: they may be refused, they may not do harm. How much they may allocate is tested in
//! `allocation.rs`.

use proptest::prelude::*;
use wire::{Reader, RequestHeader};

use crate::messages::for_each_message;
use crate::sample::{Sample, Source};

macro_rules! arbitrary_bytes {
    ($($test:ident: $module:ident::$name:ident, $key:ident, $versions:expr;)*) => {
        /// Decodes the bytes as every version of every message; what is accepted must survive another round.
        fn decode_as_everything(bytes: &[u8]) {
            let _ = RequestHeader::decode(&mut Reader::new(bytes));
            $(
                for version in $versions {
                    let mut reader = Reader::new(bytes);
                    if let Ok(value) = wire::$module::$name::decode(version, &mut reader) {
                        assert!(reader.position() <= bytes.len());
                        let mut again = Vec::new();
                        let _gaps = value.encode(version, &mut again);
                        let decoded = wire::$module::$name::decode(version, &mut Reader::new(&again));
                        assert_eq!(decoded, Ok(value), "{} version {version}", stringify!($name));
                    }
                }
            )*
        }

        $(
            /// Every beginning of a message is refused, and the error says where it ends.
            #[test]
            fn $test() {
                for version in $versions {
                    for seed in 0..12 {
                        let value = wire::$module::$name::sample(&mut Source::new(seed));
                        let mut bytes = Vec::new();
                        let _gaps = value.encode(version, &mut bytes);
                        for end in (0..bytes.len()).step_by(bytes.len() / 200 + 1) {
                            let error = wire::$module::$name::decode(version, &mut Reader::new(&bytes[..end]))
                                .expect_err("a beginning is not a message");
                            assert!(error.at <= end, "{error}, seed {seed}, {end} bytes");
                            assert!(!error.field.is_empty(), "{error}, seed {seed}, {end} bytes");
                        }
                    }
                }
            }
        )*

        /// A message with some bytes changed.
        fn changed_message(seed: u64, changes: &[(u16, u8)]) {
            $(
                let versions = $versions;
                let version = versions.start() + (seed % versions.clone().count() as u64) as i16;
                let value = wire::$module::$name::sample(&mut Source::new(seed));
                let mut bytes = Vec::new();
                let _gaps = value.encode(version, &mut bytes);
                for &(at, byte) in changes {
                    if let Some(place) = bytes.len().checked_sub(1).map(|last| usize::from(at) % (last + 1)) {
                        bytes[place] = byte;
                    }
                }
                let _ = wire::$module::$name::decode(version, &mut Reader::new(&bytes));
            )*
        }
    };
}

for_each_message! { arbitrary_bytes }

/// Bytes that look like lengths more often than chance would have it.
fn length_like_byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), 0u8..4, Just(0x7f), Just(0x80), Just(0xff)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(length_like_byte(), 0..300)) {
        decode_as_everything(&bytes);
    }

    #[test]
    fn no_changed_message_panics(
        seed in any::<u64>(),
        changes in proptest::collection::vec((any::<u16>(), length_like_byte()), 1..6),
    ) {
        changed_message(seed, &changes);
    }
}
