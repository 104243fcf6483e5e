//! The time of throttling is written into an encoded response where its decoder reads it, and nowhere else.

use wire::{ApiKey, Reader, throttle_time_at};

use crate::messages::for_each_message;
use crate::sample::{Sample, Source};

const THROTTLE_MS: i32 = 0x0102_0304;

/// The field as `Debug` prints it, and the rest.
fn split(printed: &str) -> Option<(i32, String)> {
    const FIELD: &str = "throttle_time_ms: ";
    let start = printed.find(FIELD)? + FIELD.len();
    let end = start + printed[start..].find([',', ' ', '}'])?;
    Some((printed[start..end].parse().ok()?, format!("{}{}", &printed[..start], &printed[end..])))
}

macro_rules! throttle_times {
    ($($test:ident: $module:ident::$name:ident, $key:ident, $versions:expr;)*) => {$(
        #[test]
        fn $test() {
            if !stringify!($name).ends_with("Response") {
                return;
            }
            for version in $versions {
                for seed in 0..20 {
                    let case = format!("{} version {version}, seed {seed}", stringify!($name));
                    let ends_with_it = matches!(ApiKey::$key, ApiKey::Produce | ApiKey::ApiVersions);
                    // Where it is found from the end, nothing may be behind it.
                    let value = match ends_with_it {
                        true => wire::$module::$name::default(),
                        false => wire::$module::$name::sample(&mut Source::new(seed)),
                    };
                    let mut bytes = Vec::new();
                    let _gaps = value.encode(version, &mut bytes);
                    let decode = |bytes: &[u8]| {
                        let decoded = wire::$module::$name::decode(version, &mut Reader::new(bytes));
                        format!("{:?}", decoded.unwrap_or_else(|e| panic!("{case}: {e}")))
                    };
                    let (before, rest) = split(&decode(&bytes)).unwrap_or_else(|| panic!("{case} has no such field"));
                    let Some(at) = throttle_time_at(ApiKey::$key, version, bytes.len()) else {
                        assert_eq!(before, 0, "{case} has the field after all");
                        continue;
                    };
                    bytes[at..at + 4].copy_from_slice(&THROTTLE_MS.to_be_bytes());
                    assert_eq!(split(&decode(&bytes)), Some((THROTTLE_MS, rest)), "{case}");
                }
            }
        }
    )*};
}

for_each_message! { throttle_times }
