//! Where `ringmain group reset` moves offsets to. Pure.

use super::client::AdminError;
use super::moment;

/// What a person asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    Earliest,
    Latest,
    Offset(i64),
    /// The first record at this time or later, in milliseconds since 1970.
    Datetime(i64),
    ShiftBy(i64),
}

/// What is known of a partition: `earliest <= end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) earliest: i64,
    pub(super) end: i64,
    pub(super) committed: Option<i64>,
    /// First offset at the time that was asked for, if there is a record as late.
    pub(super) at_time: Option<i64>,
}

impl Target {
    /// Reads the words after `--to`.
    pub(super) fn parse(words: &[String]) -> Result<Self, AdminError> {
        let refuse = |reason: String| Err(AdminError::Usage(format!("--to {}: {reason}", words.join(" "))));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let whole = |text: &str| text.parse::<i64>().ok();
        match words[..] {
            ["earliest"] => Ok(Self::Earliest),
            ["latest"] => Ok(Self::Latest),
            ["earliest" | "latest", _] => refuse("nothing follows it; name the group before --to".to_owned()),
            ["offset", text] => match whole(text).filter(|offset| *offset >= 0) {
                Some(offset) => Ok(Self::Offset(offset)),
                None => refuse("an offset is a number from 0 on, for example --to offset 1000".to_owned()),
            },
            ["shift-by", text] => match whole(text) {
                Some(by) => Ok(Self::ShiftBy(by)),
                None => refuse("it takes a number, for example --to shift-by -100".to_owned()),
            },
            ["datetime", text] => match moment::milliseconds(text) {
                Some(ms) => Ok(Self::Datetime(ms)),
                None => refuse(
                    "it takes a moment since 1970 with its zone, for example 2026-11-27T13:00:00Z or \
                     2026-11-27T14:00:00.250+01:00, or milliseconds since 1970"
                        .to_owned(),
                ),
            },
            _ => refuse("it takes earliest, latest, offset N, datetime MOMENT or shift-by N".to_owned()),
        }
    }

    /// The offset in a partition, always within it, and what a person should know about it. Nothing if there is nothing to shift from.
    pub(super) fn within(self, place: Place) -> Option<(i64, Option<String>)> {
        let Place { earliest, end, committed, at_time } = place;
        let wish = match self {
            Self::Earliest => earliest,
            Self::Latest => end,
            Self::Offset(offset) => offset,
            Self::ShiftBy(by) => committed?.saturating_add(by),
            Self::Datetime(_) => match at_time {
                Some(offset) => offset,
                None => return Some((end, Some("no record is as late: the end".to_owned()))),
            },
        };
        let offset = wish.clamp(earliest, end.max(earliest));
        let note = match self {
            _ if wish < earliest => Some(format!("{wish} is before the first record")),
            _ if wish > end => Some(format!("{wish} is behind the end")),
            _ => None,
        };
        Some((offset, note))
    }
}

/// Reads `TOPIC` or `TOPIC:PARTITION,...`; without partitions all are meant.
pub(super) fn parse_topic(text: &str) -> Result<(String, Option<Vec<i32>>), AdminError> {
    let Some((topic, list)) = text.split_once(':') else { return Ok((text.to_owned(), None)) };
    let number = |text: &str| text.parse::<i32>().ok().filter(|index| *index >= 0);
    match list.split(',').map(number).collect::<Option<Vec<i32>>>() {
        Some(partitions) if !topic.is_empty() => Ok((topic.to_owned(), Some(partitions))),
        _ => Err(AdminError::Usage(format!(
            "--topic {text}: it takes a topic, or a topic and partitions, for example orders:0,2"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, String> {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        Target::parse(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn targets_are_read_and_others_refused_with_an_example() {
        assert_eq!(parse("earliest"), Ok(Target::Earliest));
        assert_eq!(parse("latest"), Ok(Target::Latest));
        assert_eq!(parse("offset 7"), Ok(Target::Offset(7)));
        assert_eq!(parse("shift-by -7"), Ok(Target::ShiftBy(-7)));
        assert_eq!(parse("datetime 1970-01-01T00:00:01Z"), Ok(Target::Datetime(1000)));
        for (text, hint) in [
            ("offset -1", "--to offset 1000"),
            ("shift-by some", "--to shift-by -100"),
            ("datetime noon", "2026-11-27T13:00:00Z"),
            ("earliest billing", "name the group before --to"),
            ("offset", "datetime MOMENT"),
            ("beginning", "datetime MOMENT"),
        ] {
            let said = parse(text).expect_err(text);
            assert!(said.contains(hint), "{text}: {said}");
        }
    }

    #[test]
    fn offsets_stay_within_the_partition() {
        let place = Place { earliest: 10, end: 20, committed: Some(15), at_time: None };
        let offset = |target: Target| target.within(place).map(|(offset, note)| (offset, note.is_some()));
        assert_eq!(offset(Target::Earliest), Some((10, false)));
        assert_eq!(offset(Target::Latest), Some((20, false)));
        assert_eq!(offset(Target::Offset(12)), Some((12, false)));
        assert_eq!(offset(Target::Offset(3)), Some((10, true)));
        assert_eq!(offset(Target::Offset(30)), Some((20, true)));
        assert_eq!(offset(Target::ShiftBy(-2)), Some((13, false)));
        assert_eq!(offset(Target::ShiftBy(i64::MIN)), Some((10, true)));
        assert_eq!(offset(Target::ShiftBy(i64::MAX)), Some((20, true)));
        assert_eq!(offset(Target::Datetime(1)), Some((20, true)), "a time behind the last record is the end");
        let dated = Place { at_time: Some(11), ..place };
        assert_eq!(Target::Datetime(1).within(dated), Some((11, None)));
        assert_eq!(Target::ShiftBy(1).within(Place { committed: None, ..place }), None, "from nothing to nowhere");
    }

    #[test]
    fn topics_come_with_or_without_partitions() {
        assert_eq!(parse_topic("orders").ok(), Some(("orders".to_owned(), None)));
        assert_eq!(parse_topic("orders:0,2").ok(), Some(("orders".to_owned(), Some(vec![0, 2]))));
        for text in ["orders:", "orders:x", "orders:-1", "orders:1,", ":1"] {
            assert!(parse_topic(text).is_err(), "{text}");
        }
    }
}
