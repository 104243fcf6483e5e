//! Reads a moment that a person wrote. Pure.

const DAY_SECONDS: i64 = 86_400;

/// Milliseconds since 1970 of an ISO 8601 moment with its zone, `2026-11-27T13:00:00Z` or `2026-11-27T14:00:00.250+01:00`, or of bare
/// milliseconds. A moment without a zone is not guessed at, and one before 1970 is refused: in ListOffsets negative
/// timestamps have meanings of their own.
pub(super) fn milliseconds(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let (date, rest) = text.split_once('T')?;
    let (time, zone) = rest.split_at(rest.find(['Z', '+', '-'])?);
    let (time, fraction_ms) = match time.split_once('.') {
        Some((time, fraction)) => (time, fraction_ms(fraction)?),
        None => (time, 0),
    };
    let seconds = days(date)? * DAY_SECONDS + second_of_day(time)? - zone_seconds(zone)?;
    Some(seconds * 1000 + fraction_ms).filter(|ms| *ms >= 0)
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<i64> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// Up to nine digits behind the point; what is finer than a millisecond is cut off.
fn fraction_ms(text: &str) -> Option<i64> {
    let nanoseconds = number(text, text.len()).filter(|_| (1..=9).contains(&text.len()))?;
    (0..9 - text.len()).try_fold(nanoseconds, |value, _| value.checked_mul(10)).map(|value| value / 1_000_000)
}

fn second_of_day(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let hour = number(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = number(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let second = number(parts.next()?, 2).filter(|second| *second < 60)?;
    parts.next().is_none().then_some((hour * 60 + minute) * 60 + second)
}

/// How far a zone is ahead of UTC: `Z`, `+01:00` or `+0100`.
fn zone_seconds(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.get(1..)?;
    let (hour, minute) = match digits.split_once(':') {
        Some(pair) => pair,
        None => (digits.get(..2)?, digits.get(2..)?),
    };
    let hour = number(hour, 2).filter(|hour| *hour < 24)?;
    let minute = number(minute, 2).filter(|minute| *minute < 60)?;
    Some(sign * (hour * 60 + minute) * 60)
}

/// Days from 1970 to a date of the Gregorian calendar, `2026-11-27`.
fn days(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let year = number(parts.next()?, 4)?;
    let month = number(parts.next()?, 2).filter(|month| (1..=12).contains(month))?;
    let day = number(parts.next()?, 2)?;
    if parts.next().is_some() || !(1..=days_of_month(year, month)).contains(&day) {
        return None;
    }
    let before_month: i64 = (1..month).map(|month| days_of_month(year, month)).sum();
    Some(days_before(year) - days_before(1970) + before_month + day - 1)
}

/// Days of all years before this one, counted from the year 0.
fn days_before(year: i64) -> i64 {
    // The year 0 is a leap year, and one of those that hundred divides.
    let leap_years = |before: i64| (before + 3) / 4 - (before + 99) / 100 + (before + 399) / 400;
    year * 365 + leap_years(year)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_with_a_zone_and_bare_milliseconds_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600_000),
            ("2026-11-27T13:00:00Z", 1_795_784_400_000),
            ("2026-11-27T14:00:00+01:00", 1_795_784_400_000),
            ("2026-11-27T07:30:00-0530", 1_795_784_400_000),
            ("2026-11-27T13:00:00.25Z", 1_795_784_400_250),
            ("2026-11-27T13:00:00.001999999Z", 1_795_784_400_001),
            ("2100-03-01T00:00:00Z", 4_107_542_400_000),
            ("1795784400000", 1_795_784_400_000),
            ("0", 0),
        ] {
            assert_eq!(milliseconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_read() {
        for text in [
            "",
            "-1",
            "soon",
            "yesterday",
            "2026-11-27",
            "2026-11-27T13:00:00",
            "2026-11-27 13:00:00Z",
            "2026-11-27T13:00Z",
            "2026-11-27T24:00:00Z",
            "2026-11-27T13:60:00Z",
            "2026-11-27T13:00:00.Z",
            "2026-11-27T13:00:00.0123456789Z",
            "2026-11-27T13:00:00+1:00",
            "2026-11-27T13:00:00+01:00:00",
            "2026-11-27T13:00:00+",
            "2026-02-29T13:00:00Z",
            "2100-02-29T13:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "+026-11-27T13:00:00Z",
            "2026-11-27T1é:00:00Z",
            "2026-11-27T13:00:00+é1",
            "99999999999999999999",
        ] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_before_1970_is_not_taken_for_a_special_timestamp() {
        assert_eq!(milliseconds("1969-12-31T23:59:59.999Z"), None);
        assert_eq!(milliseconds("1970-01-01T00:00:00+01:00"), None);
    }
}
