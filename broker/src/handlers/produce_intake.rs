//! What a topic's configs ask of a batch before it is stored: keys, timestamps, and the codec that it is stored in. Records are looked
//! at only where a config makes it necessary; otherwise the header speaks for them.

use std::ops::RangeInclusive;

use batch::{CheckedBytes, Codec, DecompressLimit, Records, TimestampType, recompress};
use wire::ErrorCode;

use super::produce::{Refused, of_batch};
use crate::controller::configs::TopicSettings;
use crate::controller::intake::Intake;
use crate::partition::limits::{RECORD_ERRORS_MAX, RECORDS_PLAIN_BYTES_MAX};

/// What is said about each record that has no key and needs one.
const KEY_MISSING: &str = "Compacted topic cannot accept message without key";
/// "No timestamp"; it is never out of range.
const NO_TIMESTAMP: i64 = -1;

/// The batch as the topic stores it (`LogValidator`). `now_ms` is the broker's time.
pub(super) fn take_in(batch: CheckedBytes, settings: &TopicSettings, now_ms: i64) -> Result<CheckedBytes, Refused> {
    let info = batch.info();
    if info.timestamp_type() == TimestampType::LogAppendTime {
        let message = "Producer should not set timestamp type to LogAppendTime.".to_owned();
        return Err(Refused::new(ErrorCode::INVALID_TIMESTAMP, message));
    }
    let window = window(&settings.intake, now_ms);
    let is_within = |timestamp| timestamp == NO_TIMESTAMP || window.contains(&timestamp);
    let is_header_within = is_within(info.base_timestamp) && is_within(info.max_timestamp);
    let has_earliest = *window.start() > i64::MIN;
    let codec = settings.intake.codec.filter(|codec| info.compression() != Ok(codec.compression));
    if !settings.is_compacted() && is_header_within && !has_earliest && codec.is_none() {
        return Ok(batch);
    }
    // What the topic takes in one batch may be looked at, compressed or not.
    let limit = DecompressLimit(RECORDS_PLAIN_BYTES_MAX.max(settings.message_bytes_max as usize));
    let records = batch.as_checked().records(limit).map_err(of_batch)?;
    judge_records(&records, settings.is_compacted(), &window)?;
    if !is_within(info.max_timestamp) {
        // The header lies about its records. Retention would believe it.
        return Err(Refused::new(ErrorCode::INVALID_TIMESTAMP, out_of_range(info.max_timestamp, &window)));
    }
    match codec {
        Some(codec) => store_in(&batch, &records, codec, settings.message_bytes_max),
        None => Ok(batch),
    }
}

/// The timestamps that producers may set, all of them where the broker stamps records itself.
fn window(intake: &Intake, now_ms: i64) -> RangeInclusive<i64> {
    if intake.stamps_append_time {
        return i64::MIN..=i64::MAX;
    }
    let earliest = intake.before_ms_max.map_or(i64::MIN, |ms| now_ms.saturating_sub_unsigned(ms));
    let latest = intake.after_ms_max.map_or(i64::MAX, |ms| now_ms.saturating_add_unsigned(ms));
    earliest..=latest
}

fn out_of_range(timestamp: i64, window: &RangeInclusive<i64>) -> String {
    let (earliest, latest) = (window.start(), window.end());
    format!("Timestamp {timestamp} is out of range. The timestamp should be within [{earliest}, {latest}]")
}

/// A compacted topic keeps the last record of each key, so it takes none without.
fn judge_records(records: &Records<'_>, needs_keys: bool, window: &RangeInclusive<i64>) -> Result<(), Refused> {
    let (mut bad, mut is_timestamp_bad) = (Vec::new(), false);
    for (index, record) in (0..).zip(records) {
        let record = record.map_err(of_batch)?;
        let reason = if needs_keys && record.key.is_none() {
            KEY_MISSING.to_owned()
        } else if record.timestamp != NO_TIMESTAMP && !window.contains(&record.timestamp) {
            is_timestamp_bad = true;
            out_of_range(record.timestamp, window)
        } else {
            continue;
        };
        if bad.len() < RECORD_ERRORS_MAX {
            bad.push((index, reason));
        }
    }
    if bad.is_empty() {
        return Ok(());
    }
    let (code, message) = if is_timestamp_bad {
        let message = "One or more records have been rejected due to invalid timestamp";
        (ErrorCode::INVALID_TIMESTAMP, message.to_owned())
    } else {
        (ErrorCode::INVALID_RECORD, KEY_MISSING.to_owned())
    };
    Err(Refused { records: bad, ..Refused::new(code, message) })
}

fn store_in(
    batch: &CheckedBytes,
    records: &Records<'_>,
    codec: Codec,
    bytes_max: u32,
) -> Result<CheckedBytes, Refused> {
    let stored = recompress(&batch.as_checked().view(), records, codec);
    if stored.len() > bytes_max as usize {
        let (bytes, name) = (stored.len(), codec.compression.name());
        let message = format!("The batch has {bytes} bytes as {name}, more than the {bytes_max} that the topic takes");
        return Err(Refused::new(ErrorCode::MESSAGE_TOO_LARGE, message));
    }
    CheckedBytes::check(stored.into()).map_err(of_batch)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use batch::{BatchBuilder, Compression};

    use super::*;
    use crate::controller::defaults::TopicDefaults;

    const NOW: i64 = 1_700_000_000_000;
    const HOUR: i64 = 3_600_000;

    fn settings(configs: &[(&str, &str)]) -> TopicSettings {
        let configs: BTreeMap<String, String> =
            configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TopicSettings::new(&configs, &TopicDefaults::default())
    }

    fn batch(compression: Compression, timestamps: &[i64]) -> CheckedBytes {
        let mut builder = BatchBuilder::new(compression);
        timestamps.iter().for_each(|&timestamp| builder.append(timestamp, Some(b"k"), Some(&[7; 300]), &[]));
        CheckedBytes::check(builder.build().into()).expect("sound")
    }

    fn refused(configs: &[(&str, &str)], timestamps: &[i64]) -> (ErrorCode, Vec<i32>) {
        let refused = take_in(batch(Compression::Gzip, timestamps), &settings(configs), NOW).err();
        let refused = refused.unwrap_or_else(|| panic!("{timestamps:?} was taken"));
        (refused.code, refused.records.into_iter().map(|(index, _)| index).collect())
    }

    fn taken(configs: &[(&str, &str)], timestamps: &[i64]) -> CheckedBytes {
        let taken = take_in(batch(Compression::Gzip, timestamps), &settings(configs), NOW);
        taken.unwrap_or_else(|refused| panic!("{timestamps:?}: {:?}", refused.message))
    }

    #[test]
    fn a_batch_that_no_config_concerns_is_stored_as_it_was_sent() {
        let sent = batch(Compression::Lz4, &[NOW + HOUR, 5, -1]);
        let stored = take_in(sent.clone(), &settings(&[]), NOW).unwrap_or_else(|_| panic!("refused"));
        assert_eq!(stored.as_checked().bytes.as_ptr(), sent.as_checked().bytes.as_ptr(), "the same bytes");
    }

    #[test]
    fn a_timestamp_may_lie_as_far_from_the_broker_s_clock_as_the_topic_says() {
        assert_eq!(refused(&[], &[5, NOW + HOUR + 1, 6]), (ErrorCode::INVALID_TIMESTAMP, vec![1]));
        let narrow = [("message.timestamp.before.max.ms", "10"), ("message.timestamp.after.max.ms", "20")];
        taken(&narrow, &[NOW - 10, NOW + 20, -1]);
        assert_eq!(refused(&narrow, &[NOW, NOW - 11, NOW]), (ErrorCode::INVALID_TIMESTAMP, vec![1]));
        assert_eq!(refused(&narrow, &[NOW, NOW, NOW + 21]), (ErrorCode::INVALID_TIMESTAMP, vec![2]));
        let open = [("message.timestamp.after.max.ms", "9223372036854775807")];
        taken(&open, &[i64::MAX]);
        // The broker's own time takes the place of all of them.
        taken(&[("message.timestamp.type", "LogAppendTime"), narrow[0], narrow[1]], &[5, NOW + 2 * HOUR]);
    }

    #[test]
    fn a_header_that_claims_a_later_time_than_its_records_is_refused() {
        let mut bytes = batch(Compression::Gzip, &[NOW]).as_checked().bytes.to_vec();
        batch::restamp_timestamps(&mut bytes, NOW, NOW + 2 * HOUR);
        batch::reseal(&mut bytes);
        let lying = CheckedBytes::check(bytes.into()).expect("sound");
        let Err(refused) = take_in(lying, &settings(&[]), NOW) else { panic!("it was taken") };
        assert_eq!(refused.code, ErrorCode::INVALID_TIMESTAMP);
    }

    #[test]
    fn producers_do_not_set_the_broker_s_time() {
        let stamped = batch(Compression::None, &[NOW]).appended_at(NOW);
        let Err(refused) = take_in(stamped, &settings(&[]), NOW) else { panic!("it was taken") };
        assert_eq!(refused.code, ErrorCode::INVALID_TIMESTAMP);
    }

    #[test]
    fn a_batch_is_stored_in_the_topic_s_codec_and_only_then_rewritten() {
        for (word, compression) in [
            ("uncompressed", Compression::None),
            ("gzip", Compression::Gzip),
            ("snappy", Compression::Snappy),
            ("lz4", Compression::Lz4),
            ("zstd", Compression::Zstd),
        ] {
            let stored = taken(&[("compression.type", word)], &[NOW, NOW + 1]);
            assert_eq!(stored.info().compression(), Ok(compression), "{word}");
            let records = stored.as_checked().records(DecompressLimit(1 << 20)).expect("records");
            let seen: Vec<_> = records.iter().map(|record| record.expect("sound").timestamp).collect();
            assert_eq!(seen, [NOW, NOW + 1], "{word}");
        }
    }

    #[test]
    fn what_is_too_large_in_the_topic_s_codec_is_refused() {
        let configs = [("compression.type", "uncompressed"), ("max.message.bytes", "500")];
        let (code, _) = refused(&configs, &[NOW, NOW]);
        assert_eq!(code, ErrorCode::MESSAGE_TOO_LARGE);
    }

    #[test]
    fn a_compacted_topic_names_the_records_without_a_key() {
        let mut builder = BatchBuilder::new(Compression::Zstd);
        for key in [Some(&b"k"[..]), None, Some(&b"k"[..]), None] {
            builder.append(NOW, key, Some(b"v"), &[]);
        }
        let sent = CheckedBytes::check(builder.build().into()).expect("sound");
        let Err(refused) = take_in(sent, &settings(&[("cleanup.policy", "compact")]), NOW) else {
            panic!("it was taken")
        };
        assert_eq!(refused.code, ErrorCode::INVALID_RECORD);
        assert_eq!(refused.records, [(1, KEY_MISSING.to_owned()), (3, KEY_MISSING.to_owned())]);
    }
}
