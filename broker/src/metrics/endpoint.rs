//! The node's HTTP endpoint: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever keeps it running, `/latency` for
//! `ringmain latency`. SHELL.
//!
//! It has threads of its own, which wait for the shards, never they for them. Each connection carries one request. There is no more HTTP here than
//! these four need: GET and HEAD, and the connection is closed.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::latency_wire::NodeLatency;
use super::limits::{ENDPOINT_CONNECTIONS_MAX, ENDPOINT_PATIENCE, REQUEST_HEAD_BYTES_MAX, TOPICS_NAMED_MAX};
use super::topics_named::TopicsNamed;
use super::{Snapshot, exposition, text_format};
use crate::clock::Clock;
use crate::limits::REPORT_MS_MAX;
use crate::shard::lifecycle::Lifecycle;

/// The endpoint of a running node. Dropping it ends it.
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    lifecycle: Arc<Lifecycle>,
    topics: Mutex<TopicsNamed>,
    ending: AtomicBool,
    open: AtomicUsize,
}

/// What is answered: a status line's rest, a content type, a body.
struct Page {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

impl Endpoint {
    /// Listens on `address`; port 0 takes a free one.
    pub fn start(address: SocketAddr, lifecycle: Arc<Lifecycle>) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            lifecycle,
            topics: Mutex::new(TopicsNamed::new(TOPICS_NAMED_MAX)),
            ending: AtomicBool::new(false),
            open: AtomicUsize::new(0),
        });
        let accepting = shared.clone();
        let acceptor =
            thread::Builder::new().name("metrics".to_owned()).spawn(move || accept(&accepting, &listener))?;
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Release);
        // The thread waits in `accept`, which a connection ends.
        let woken = TcpStream::connect_timeout(&self.address, ENDPOINT_PATIENCE);
        if let (Ok(_), Some(acceptor)) = (woken, self.acceptor.take()) {
            // It panics nowhere; if it did, the trace has said so.
            let _ = acceptor.join();
        }
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    loop {
        let accepted = listener.accept();
        if shared.ending.load(Ordering::Acquire) {
            return;
        }
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections for metrics for now");
                pause(Duration::from_secs(1));
                continue;
            }
        };
        if shared.open.fetch_add(1, Ordering::AcqRel) >= ENDPOINT_CONNECTIONS_MAX {
            shared.open.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let serving = shared.clone();
        let spawned = thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            if let Err(error) = serve(&serving, stream) {
                tracing::debug!(%error, "a client of the metrics did not take its answer");
            }
            serving.open.fetch_sub(1, Ordering::AcqRel);
        });
        if let Err(error) = spawned {
            shared.open.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!(%error, "no thread for a client of the metrics");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it is a thread of its own, and holds up no core")]
fn pause(duration: Duration) {
    thread::sleep(duration);
}

fn serve(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    stream.set_write_timeout(Some(ENDPOINT_PATIENCE))?;
    let head = read_head(&mut stream)?;
    let (page, has_body) = match request_line(&head) {
        Some(("GET", path)) => (shared.page(path), true),
        Some(("HEAD", path)) => (shared.page(path), false),
        Some(_) => (Page::text("405 Method Not Allowed", "only GET and HEAD\n"), true),
        None => (Page::text("400 Bad Request", "this is no HTTP request\n"), true),
    };
    let Page { status, content_type, body } = page;
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    if has_body {
        stream.write_all(body.as_bytes())?;
    }
    stream.shutdown(Shutdown::Write)?;
    if status.starts_with("400") {
        // Closing over bytes that nobody has read would take the answer back.
        let mut rest = stream.take(REQUEST_HEAD_BYTES_MAX as u64);
        io::copy(&mut rest, &mut io::sink())?;
    }
    Ok(())
}

/// Reads to the empty line, or as far as the limits let it: what is then no request is answered as such.
fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let due = Clock.monotonic() + ENDPOINT_PATIENCE;
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < REQUEST_HEAD_BYTES_MAX {
        let left = due.saturating_duration_since(Clock.monotonic());
        if left.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk)? {
            0 => break,
            count => head.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(head)
}

/// Method and path of a request, without what follows a `?`.
fn request_line(head: &[u8]) -> Option<(&str, &str)> {
    let end = head.windows(4).position(|end| end == b"\r\n\r\n")?;
    let line = std::str::from_utf8(&head[..end]).ok()?.lines().next()?;
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_http = version.starts_with("HTTP/1.") && words.next().is_none();
    is_http.then(|| (method, target.split('?').next().unwrap_or(target)))
}

impl Shared {
    fn page(&self, path: &str) -> Page {
        match path {
            "/metrics" => {
                let snapshots = self.collect();
                let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
                let body = exposition::render(&snapshots, self.lifecycle.shard_count(), &mut topics);
                Page { status: "200 OK", content_type: text_format::CONTENT_TYPE, body }
            }
            "/latency" => match serde_json::to_string(&NodeLatency::of(&self.collect())) {
                Ok(body) => Page { status: "200 OK", content_type: "application/json", body },
                Err(error) => Page::text("500 Internal Server Error", &format!("{error}\n")),
            },
            "/healthz" => self.judged(self.ailment()),
            "/readyz" => self.judged(self.ailment().or_else(|| self.hindrance())),
            "/" => Page::text("200 OK", "/metrics /healthz /readyz /latency\n"),
            _ => Page::text("404 Not Found", "there are /metrics, /healthz, /readyz and /latency\n"),
        }
    }

    /// Before the shards serve they are busy opening their storage and are not asked.
    fn collect(&self) -> Vec<Arc<Snapshot>> {
        if !self.lifecycle.is_serving() || self.lifecycle.is_stopping() {
            return Vec::new();
        }
        self.lifecycle.collect_reports(Duration::from_millis(REPORT_MS_MAX))
    }

    /// What only a restart would change: a shard that does not answer any more.
    fn ailment(&self) -> Option<String> {
        if !self.lifecycle.is_serving() || self.lifecycle.is_stopping() {
            return None;
        }
        let (answered, shards) = (self.collect().len(), self.lifecycle.shard_count());
        let is_sound = answered == shards || self.lifecycle.is_stopping();
        (!is_sound).then(|| format!("{answered} of {shards} shards have answered within {REPORT_MS_MAX} ms"))
    }

    /// Why clients had better go elsewhere for now.
    fn hindrance(&self) -> Option<String> {
        if self.lifecycle.is_stopping() {
            return Some("the node is stopping".to_owned());
        }
        if !self.lifecycle.is_serving() {
            return Some("the node is starting".to_owned());
        }
        let failed = self.collect().iter().find(|snapshot| snapshot.has_failed_storage()).map(|failed| failed.shard);
        failed.map(|shard| format!("the storage of shard {shard} has failed"))
    }

    fn judged(&self, against: Option<String>) -> Page {
        match against {
            None => Page::text("200 OK", "ok\n"),
            Some(reason) => Page::text("503 Service Unavailable", &format!("{reason}\n")),
        }
    }
}

impl Page {
    fn text(status: &'static str, body: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_is_method_path_and_version_and_nothing_else_is() {
        assert_eq!(request_line(b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"), Some(("GET", "/metrics")));
        for head in [
            "GET /metrics\r\n\r\n",
            "GET / HTTP/1.1\r\n",
            "GET / a HTTP/1.1\r\n\r\n",
            "\r\n\r\n",
            "GET / RTSP/1.0\r\n\r\n",
        ] {
            assert_eq!(request_line(head.as_bytes()), None, "{head}");
        }
        assert_eq!(request_line(b"GET /\xff HTTP/1.1\r\n\r\n"), None);
    }
}
