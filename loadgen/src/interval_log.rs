//! HdrHistogram's interval log: a line for each stretch of time and each kind of latency, which any reader of that format
//! can add up, over time or over several load generators.
//!
//! ```text
//! #[StartTime: 1764257511.123 (seconds since epoch)]
//! Tag=ack,SECONDS_SINCE_START,LENGTH_S,MAX_MS,BASE64_OF_A_COMPRESSED_V2_HISTOGRAM_OF_NANOSECONDS
//! ```

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use crate::tally::Latencies;

/// The tags, by what was measured.
pub(crate) const ACK: &str = "ack";
pub(crate) const SERVICE: &str = "service";
pub(crate) const END_TO_END: &str = "e2e";

/// A log that is being written; each interval reaches the file at once, so that a killed run leaves its log behind.
pub(crate) struct IntervalLog {
    file: File,
    start_ns: u64,
}

impl IntervalLog {
    /// Begins a log. `epoch_ns` is the start of the run on the Unix clock, `start_ns` the same on ours.
    pub(crate) fn create(path: &Path, epoch_ns: i64, start_ns: u64) -> io::Result<IntervalLog> {
        let mut file = File::create(path)?;
        let head = "#[Histogram log format version 1.3]\n\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\
                    \"Interval_Compressed_Histogram\"\n";
        writeln!(file, "#[StartTime: {:.3} (seconds since epoch)]", epoch_ns as f64 / 1e9)?;
        write!(file, "#[values in ns, Interval_Max in ms]\n{head}")?;
        Ok(IntervalLog { file, start_ns })
    }

    /// Adds an interval. What was measured outside the window is left out.
    pub(crate) fn write(&mut self, from_ns: u64, to_ns: u64, latencies: &Latencies) -> io::Result<()> {
        let seconds = |ns: u64| ns.saturating_sub(self.start_ns) as f64 / 1e9;
        let (from_s, to_s) = (seconds(from_ns), seconds(to_ns));
        let mut lines = String::new();
        for (tag, histogram) in [(ACK, &latencies.ack), (SERVICE, &latencies.service), (END_TO_END, &latencies.arrival)]
        {
            if !histogram.is_empty() {
                let max_ms = histogram.max() as f64 / 1e6;
                let encoded = encode(histogram)?;
                lines += &format!("Tag={tag},{from_s:.3},{:.3},{max_ms:.3},{encoded}\n", (to_s - from_s).max(0.0));
            }
        }
        self.file.write_all(lines.as_bytes())
    }
}

fn encode(histogram: &Histogram<u64>) -> io::Result<String> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .map_err(|error| io::Error::other(format!("a histogram cannot be encoded: {error}")))?;
    Ok(STANDARD.encode(bytes))
}

/// One line of a log that is read.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    /// Empty for a line without a tag.
    pub(crate) tag: String,
    pub(crate) from_s: f64,
    pub(crate) length_s: f64,
    pub(crate) histogram: Histogram<u64>,
}

/// Reads a whole log, with what is wrong with it as the error.
pub(crate) fn read(text: &str) -> Result<Vec<Interval>, String> {
    let mut intervals = Vec::new();
    // The reader of the format wants a line's end behind the last line as well.
    let text = format!("{}\n", text.trim_end());
    let mut start = Duration::ZERO;
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        match entry.map_err(|error| format!("{error:?}"))? {
            LogEntry::StartTime(time) => start = time,
            LogEntry::BaseTime(_) => {}
            LogEntry::Interval(line) => {
                let bytes = STANDARD.decode(line.encoded_histogram()).map_err(|error| error.to_string())?;
                let histogram = Deserializer::new().deserialize(&mut bytes.as_slice());
                // Some writers count from the epoch instead of from the start of the log.
                let from = line.start_timestamp();
                let from = if from >= start && !start.is_zero() { from - start } else { from };
                intervals.push(Interval {
                    tag: line.tag().map_or(String::new(), |tag| tag.as_str().to_owned()),
                    from_s: from.as_secs_f64(),
                    length_s: line.duration().as_secs_f64(),
                    histogram: histogram.map_err(|error| error.to_string())?,
                });
            }
        }
    }
    Ok(intervals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_count_by_count() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.hlog");
        let mut log = IntervalLog::create(&path, 1_764_257_511_123_000_000, 5_000_000_000).unwrap();
        let mut latencies = Latencies::new();
        for value in [1_000, 2_000_000, 59_000_000_000] {
            latencies.ack.record(value).unwrap();
            latencies.outside.record(value).unwrap();
        }
        latencies.arrival.record_n(77_000, 1_000_000).unwrap();
        log.write(5_000_000_000, 6_000_000_000, &latencies).unwrap();
        log.write(6_000_000_000, 6_500_000_000, &latencies).unwrap();
        let read = read(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let shape: Vec<_> = read.iter().map(|line| (line.tag.as_str(), line.from_s, line.length_s)).collect();
        assert_eq!(shape, [(ACK, 0.0, 1.0), (END_TO_END, 0.0, 1.0), (ACK, 1.0, 0.5), (END_TO_END, 1.0, 0.5)]);
        assert_eq!(read[0].histogram, latencies.ack);
        assert_eq!(read[3].histogram, latencies.arrival);
    }

    #[test]
    fn what_is_no_log_is_said_to_be_none() {
        let broken = "Tag=ack,0.0,1.0,2.0,AAAA\n";
        assert!(read(broken).is_err());
    }
}
