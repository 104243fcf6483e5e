//! What is encoded is decoded again.

use wire::{ApiKey, DecodeReason, Reader};

use crate::messages::for_each_message;
use crate::sample::{Sample, Source};

macro_rules! round_trip {
    ($($test:ident: $module:ident::$name:ident, $key:ident, $versions:expr;)*) => {$(
        #[test]
        fn $test() {
            for version in $versions {
                for seed in 0..60 {
                    let case = format!("{} version {version}, seed {seed}", stringify!($name));
                    let value = wire::$module::$name::sample(&mut Source::new(seed));
                    let mut bytes = b"already sent".to_vec();
                    let sent = bytes.len();
                    let _gaps = value.encode(version, &mut bytes);
                    let bytes = &bytes[sent..];

                    let mut reader = Reader::new(bytes);
                    let decoded =
                        wire::$module::$name::decode(version, &mut reader).unwrap_or_else(|e| panic!("{case}: {e}"));
                    assert!(reader.is_empty(), "{case}");
                    let mut again = Vec::new();
                    let _gaps = decoded.encode(version, &mut again);
                    assert_eq!(again, bytes, "{case}");
                    let twice = wire::$module::$name::decode(version, &mut Reader::new(&again));
                    assert_eq!(twice.as_ref(), Ok(&decoded), "{case}");

                    // The newest version of most messages has every field, so nothing may be lost there.
                    let lost_fields = [ApiKey::Produce, ApiKey::Fetch, ApiKey::OffsetCommit, ApiKey::OffsetFetch, ApiKey::FindCoordinator];
                    let newest = wire::SUPPORTED.iter().find(|range| range.key == ApiKey::$key).unwrap().max;
                    let loses = lost_fields.contains(&ApiKey::$key)
                        || matches!(stringify!($name), "DeleteTopicsRequest" | "LeaveGroupRequest" | "MetadataRequest" | "MetadataResponse");
                    if version == newest && !loses {
                        assert_eq!(decoded, value, "{case}");
                    }
                }
            }
        }
    )*

        /// The versions under test are those that are advertised, but for Produce requests below 3.
        #[test]
        fn every_advertised_version_is_tested() {
            $(
                let range = wire::SUPPORTED.iter().find(|range| range.key == ApiKey::$key).unwrap();
                let min = if stringify!($name) == "ProduceRequest" { 3 } else { range.min };
                assert_eq!($versions, min..=range.max, "{}", stringify!($name));
            )*
            assert_eq!([$(stringify!($name)),*].len(), 2 * wire::SUPPORTED.len());
        }

        #[test]
        fn other_versions_are_refused() {
            $(
                for version in [i16::MIN, -1, $versions.start() - 1, $versions.end() + 1, i16::MAX] {
                    let error = wire::$module::$name::decode(version, &mut Reader::new(&[0; 64])).unwrap_err();
                    assert_eq!(error.reason, DecodeReason::UnknownVersion { version });
                }
            )*
        }
    };
}

for_each_message! { round_trip }
