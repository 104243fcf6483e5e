//! What a broker tells of itself at `/metrics`. A figure that cannot be had is missing, and nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// Bytes that a broker has received from its clients, and copied in its memory, since it started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    pub received_bytes: f64,
    pub copied_bytes: f64,
}

impl Moved {
    /// Asks the broker that serves its figures at this address.
    pub fn of(address: SocketAddr) -> Option<Moved> {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(ANSWERED_WITHIN)).ok()?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Moved::told_by(&answer)
    }

    fn told_by(text: &str) -> Option<Moved> {
        let (received_bytes, copied_bytes) =
            (sum(text, "ringmain_request_bytes")?, sum(text, "ringmain_copied_bytes")?);
        Some(Moved { received_bytes, copied_bytes })
    }

    /// Copies of each byte that was received from then to now.
    pub fn copies_per_byte_since(self, then: Moved) -> Option<f64> {
        let received = self.received_bytes - then.received_bytes;
        (received > 0.0).then(|| (self.copied_bytes - then.copied_bytes) / received)
    }
}

/// The samples of a family, of all shards, taken together; none if it has no samples.
fn sum(text: &str, family: &str) -> Option<f64> {
    let value = |line: &str| {
        let rest = line.strip_prefix(family)?.trim_start_matches("_total");
        (rest.starts_with('{') || rest.starts_with(' ')).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    };
    text.lines().filter_map(value).fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_all_shards_count_and_those_of_longer_names_do_not() {
        let text = "# TYPE ringmain_request_bytes counter\nringmain_request_bytes_total{shard=\"0\"} 100\n\
                    ringmain_request_bytes_total{shard=\"1\"} 50\nringmain_request_bytes_max 7\n\
                    ringmain_copied_bytes_total{shard=\"0\"} 450\n";
        let moved = Moved { received_bytes: 150.0, copied_bytes: 450.0 };
        assert_eq!(Moved::told_by(text), Some(moved));
        assert_eq!(moved.copies_per_byte_since(Moved { received_bytes: 0.0, copied_bytes: 0.0 }), Some(3.0));
        assert_eq!((moved.copies_per_byte_since(moved), Moved::told_by("")), (None, None));
    }
}
