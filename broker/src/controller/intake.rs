//! What a topic's configs mean for the batches that come in.

use batch::{Codec, Compression};

use super::config_keys::{self, LOG_APPEND_TIME, PRODUCER, UNCOMPRESSED};
use super::configs::Values;

/// How a topic takes batches in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intake {
    /// The broker's clock stamps records, not the producer's.
    pub stamps_append_time: bool,
    /// How far a producer's timestamp may lie before the broker's clock. None for any distance.
    pub before_ms_max: Option<u64>,
    /// How far a producer's timestamp may lie after the broker's clock. None for any distance.
    pub after_ms_max: Option<u64>,
    /// The codec that every batch is stored in. None keeps the producer's.
    pub codec: Option<Codec>,
    /// Replicas in sync without which acks=all is refused.
    pub insync_replicas_min: u32,
}

impl Intake {
    pub(super) fn new(values: &Values<'_>) -> Self {
        // Kafka's way to say that there is no bound.
        let bound = |name| values.number::<u64>(name).filter(|ms| *ms < i64::MAX as u64);
        let after_ms_max = values.number(config_keys::TIMESTAMP_AFTER_MS_MAX).unwrap_or(AFTER_MS_MAX_DEFAULT);
        Self {
            stamps_append_time: values.get(config_keys::TIMESTAMP_TYPE) == Some(LOG_APPEND_TIME),
            before_ms_max: bound(config_keys::TIMESTAMP_BEFORE_MS_MAX),
            after_ms_max: Some(after_ms_max).filter(|ms| *ms < i64::MAX as u64),
            codec: values.get(config_keys::COMPRESSION_TYPE).and_then(|word| codec(word, values)),
            insync_replicas_min: values.number(config_keys::INSYNC_REPLICAS_MIN).unwrap_or(1),
        }
    }
}

/// One hour, as in Kafka.
const AFTER_MS_MAX_DEFAULT: u64 = 60 * 60 * 1000;

fn codec(word: &str, values: &Values<'_>) -> Option<Codec> {
    let compression = match word {
        PRODUCER => return None,
        UNCOMPRESSED => Compression::None,
        _ => Compression::ALL.into_iter().find(|compression| compression.name() == word)?,
    };
    let level = match compression {
        Compression::Gzip => values.number(config_keys::GZIP_LEVEL),
        Compression::Zstd => values.number(config_keys::ZSTD_LEVEL),
        Compression::None | Compression::Snappy | Compression::Lz4 => None,
    };
    Some(Codec { compression, level })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::controller::defaults::TopicDefaults;

    fn intake(configs: &[(&str, &str)]) -> Intake {
        let configs: BTreeMap<String, String> =
            configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Intake::new(&Values { configs: &configs, defaults: &TopicDefaults::default() })
    }

    #[test]
    fn without_configs_batches_stay_as_they_were_sent_and_may_lie_an_hour_ahead() {
        let expected = Intake {
            stamps_append_time: false,
            before_ms_max: None,
            after_ms_max: Some(3_600_000),
            codec: None,
            insync_replicas_min: 1,
        };
        assert_eq!(intake(&[]), expected);
        assert_eq!(intake(&[("compression.type", "producer")]), expected);
        let table = |name| config_keys::find(name).expect("a known key").default;
        let said =
            [config_keys::TIMESTAMP_AFTER_MS_MAX, config_keys::TIMESTAMP_BEFORE_MS_MAX].map(|name| (name, table(name)));
        assert_eq!(intake(&said), expected, "the table's defaults mean the same");
    }

    #[test]
    fn every_word_of_compression_type_is_a_codec() {
        let of = |word| intake(&[("compression.type", word), ("compression.zstd.level", "7")]).codec;
        assert_eq!(of("uncompressed"), Some(Compression::None.into()));
        assert_eq!(of("gzip"), Some(Compression::Gzip.into()));
        assert_eq!(of("snappy"), Some(Compression::Snappy.into()));
        assert_eq!(of("lz4"), Some(Compression::Lz4.into()));
        assert_eq!(of("zstd"), Some(Codec { compression: Compression::Zstd, level: Some(7) }));
    }
}
