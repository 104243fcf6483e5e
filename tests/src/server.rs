//! One `ringmain serve` process on a data directory of its own.

use crate::clock::Stopwatch;
use crate::{binary, process};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// A start that takes longer is a failure, whatever the machine is doing besides.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// A clean stop that takes longer is a failure.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);

/// How a server is to be started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names the log file and the data directory.
    pub name: String,
    /// Further arguments of `ringmain serve`.
    pub arguments: Vec<String>,
    /// Cores to serve on; `None` takes 0 and 1, or 0 where there is only one.
    pub cores: Option<String>,
    /// Where the data goes; `None` takes a directory below `target/`.
    pub data_dir: Option<PathBuf>,
}

impl Options {
    /// Two shards, everything else as delivered.
    pub fn named(name: &str) -> Options {
        Options { name: name.to_owned(), arguments: Vec::new(), cores: None, data_dir: None }
    }

    /// With the data in this directory.
    pub fn in_dir(self, dir: PathBuf) -> Options {
        Options { data_dir: Some(dir), ..self }
    }

    /// With further arguments of `ringmain serve`.
    pub fn with_arguments(mut self, arguments: &[&str]) -> Options {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }
}

/// What a server said on standard output when it was ready: `ready kafka=127.0.0.1:9092 shards=2 in_ms=37 metrics=127.0.0.1:9644`.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Where Kafka clients connect.
    pub kafka: SocketAddr,
    /// Where metrics are served.
    pub metrics: SocketAddr,
    /// Number of shards.
    pub shards: u16,
    /// The broker's own count of its start.
    pub in_ms: u64,
    /// Our count, from before the process was made to the line's arrival.
    pub measured_ms: u64,
}

/// A running server; dropping it kills it and, unless the test panicked, removes its data.
pub struct Server {
    options: Options,
    data_dir: PathBuf,
    log_path: PathBuf,
    listen: String,
    running: Option<Running>,
    ready: Ready,
}

struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Server {
    /// Starts on an empty directory and waits until it is ready. Panics with the log's end if it is not.
    pub fn start(options: Options) -> Server {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{}-{}-{number}", options.name, std::process::id());
        let usual_dir = || binary::target_dir().join("tests-data").join(&unique);
        let data_dir = options.data_dir.clone().unwrap_or_else(usual_dir);
        let log_dir = binary::target_dir().join("tests-logs");
        fs::create_dir_all(&data_dir).expect("a data directory");
        fs::create_dir_all(&log_dir).expect("a log directory");
        let log_path = log_dir.join(format!("{unique}.log"));
        let (running, ready) = spawn(&options, &data_dir, &log_path, "127.0.0.1:0").unwrap_or_else(|e| panic!("{e}"));
        let listen = ready.kafka.to_string();
        Server { options, data_dir, log_path, listen, running: Some(running), ready }
    }

    /// Where Kafka clients connect.
    pub fn address(&self) -> SocketAddr {
        self.ready.kafka
    }

    /// The same as text, as clients want it.
    pub fn bootstrap(&self) -> String {
        self.ready.kafka.to_string()
    }

    /// What the server said when it was last ready.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The process id of the running server.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("the server runs").child.id()
    }

    /// SIGKILL, as a crash of the process: nothing gets the chance to be tidy. Waits until the process is gone.
    pub fn kill_9(&mut self) {
        let mut running = self.running.take().expect("the server runs");
        running.child.kill().expect("SIGKILL is delivered");
        running.child.wait().expect("a killed process ends");
    }

    /// SIGTERM; the server must answer what is in flight, write its checkpoint and exit 0.
    pub fn terminate(&mut self) {
        let running = self.running.as_mut().expect("the server runs");
        process::ask_to_stop(&running.child);
        let status = wait_at_most(running, STOPPED_WITHIN);
        assert!(status.is_some_and(|status| status.success()), "after SIGTERM: {status:?}\n{}", self.log_end());
        self.running = None;
    }

    /// Starts again on the same data directory and the same port.
    pub fn restart(&mut self) -> &Ready {
        self.try_restart().unwrap_or_else(|e| panic!("{e}"));
        &self.ready
    }

    /// Starts again like [`Server::restart`], but gives the failure as text.
    pub fn try_restart(&mut self) -> Result<(), String> {
        assert!(self.running.is_none(), "stop the server before starting it again");
        let (running, ready) = spawn(&self.options, &self.data_dir, &self.log_path, &self.listen)?;
        self.running = Some(running);
        self.ready = ready;
        Ok(())
    }

    /// From the next start on it serves on these cores, as `--cores` takes them.
    pub fn use_cores(&mut self, cores: &str) {
        self.options.cores = Some(cores.to_owned());
    }

    /// Whether the process still lives.
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(|running| running.child.try_wait().expect("a child can be asked").is_none())
    }

    /// All that the server wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log_path).unwrap_or_default()
    }

    /// The last lines that the server wrote, for a failure's message.
    pub fn log_end(&self) -> String {
        log_end(&self.log_path)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            // The process may have ended by itself; either way it is gone after the wait.
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("data kept in {}\n{}", self.data_dir.display(), self.log_end());
        } else {
            let _ = fs::remove_dir_all(&self.data_dir);
        }
    }
}

/// Runs `ringmain` with these arguments to its end and gives its exit and all it wrote.
pub fn run_ringmain(arguments: &[&str]) -> (ExitStatus, String) {
    let output = Command::new(binary::ringmain()).args(arguments).output().expect("ringmain runs");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status, text)
}

fn spawn(options: &Options, data_dir: &Path, log_path: &Path, listen: &str) -> Result<(Running, Ready), String> {
    let binary = binary::ringmain();
    let log = OpenOptions::new().create(true).append(true).open(log_path).expect("a log file");
    let mut command = Command::new(binary);
    command.arg("serve").arg("--data").arg(data_dir).args(["--listen", listen, "--metrics-listen", "127.0.0.1:0"]);
    command.arg("--cores").arg(options.cores.clone().unwrap_or_else(ordinary_cores));
    command.args(&options.arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(log.try_clone().expect("a second handle of the log"));
    process::die_with_parent(&mut command);
    let watch = Stopwatch::start();
    let mut child = command.spawn().expect("ringmain starts");
    let lines = forward_lines(child.stdout.take().expect("standard output is piped"), log);
    loop {
        let left = READY_WITHIN.saturating_sub(watch.elapsed());
        match lines.recv_timeout(left) {
            Ok(line) => {
                if let Some(ready) = parse_ready(&line, watch.elapsed_ms()) {
                    return Ok((Running { child, lines }, ready));
                }
            }
            Err(reason) => {
                // Where standard output has ended the process is ending by itself, and its exit code says why.
                if reason == RecvTimeoutError::Timeout {
                    let _ = child.kill();
                }
                let status = child.wait().expect("a process that ends can be waited for");
                return Err(format!("ringmain was not ready ({reason}, {status})\n{}", log_end(log_path)));
            }
        }
    }
}

/// Copies the server's standard output to the log and to the channel, as long as the server lives.
fn forward_lines(stdout: impl Read + Send + 'static, mut log: File) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = writeln!(log, "{line}");
            // Nobody listens after the ready line; the log still gets the rest.
            let _ = sender.send(line);
        }
    });
    receiver
}

fn parse_ready(line: &str, measured_ms: u64) -> Option<Ready> {
    let fields = line.strip_prefix("ready ")?;
    let field = |name: &str| fields.split_whitespace().find_map(|word| word.strip_prefix(name));
    Some(Ready {
        kafka: field("kafka=")?.parse().ok()?,
        metrics: field("metrics=")?.parse().ok()?,
        shards: field("shards=")?.parse().ok()?,
        in_ms: field("in_ms=")?.parse().ok()?,
        measured_ms,
    })
}

fn ordinary_cores() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores > 1 { "0,1".to_owned() } else { "0".to_owned() }
}

/// Standard output ends when the process does, so waiting for that end needs neither polling nor a signal.
fn wait_at_most(running: &mut Running, limit: Duration) -> Option<ExitStatus> {
    let watch = Stopwatch::start();
    while running.lines.recv_timeout(limit.saturating_sub(watch.elapsed())) != Err(RecvTimeoutError::Disconnected) {
        if watch.elapsed() >= limit {
            return None;
        }
    }
    Some(running.child.wait().expect("a child can be waited for"))
}

fn log_end(log_path: &Path) -> String {
    let text = fs::read_to_string(log_path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(30);
    format!("--- end of {}\n{}\n---", log_path.display(), lines[first..].join("\n"))
}
