//! One `ringmain serve` process, and what Linux tells about it. Only processes that were started here are ever stopped.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::failure::Failure;
use crate::scrape::Moved;

const READY_WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(60);
/// A connection breaks a little before its process is gone.
const DEATH_WITHIN: Duration = Duration::from_secs(1);
const TRACE_LINES: usize = 20;

/// How a broker is started.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    pub ringmain: PathBuf,
    pub data_dir: PathBuf,
    pub cores: String,
    /// A configuration file.
    pub config: Option<PathBuf>,
    /// Standard error goes here.
    pub trace_path: PathBuf,
}

/// A running broker. Dropping it kills it.
pub struct Broker {
    child: Child,
    lines: Receiver<String>,
    trace_path: PathBuf,
    /// Where Kafka clients connect.
    pub kafka: SocketAddr,
    /// Where it tells its figures; nothing if it does not.
    metrics: Option<SocketAddr>,
    /// From before the process was made.
    pub since_spawn: Stopwatch,
    /// Time from the spawn to the `ready` line.
    pub ready_ms: f64,
}

impl Broker {
    /// Starts a broker on a free port and waits for its `ready` line.
    pub fn start(options: &ServeOptions) -> Result<Broker, Failure> {
        let trace = OpenOptions::new().create(true).append(true).open(&options.trace_path);
        let trace = trace.map_err(Failure::machine(format!("opening {}", options.trace_path.display())))?;
        let mut command = Command::new(&options.ringmain);
        command.arg("serve").arg("--data").arg(&options.data_dir);
        command.args(["--listen", "127.0.0.1:0", "--cores", &options.cores]);
        if let Some(config) = &options.config {
            command.arg("--config").arg(config);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(trace);
        die_with_parent(&mut command);
        let since_spawn = Stopwatch::start();
        let mut child =
            command.spawn().map_err(Failure::machine(format!("starting {}", options.ringmain.display())))?;
        let lines = forward_lines(child.stdout.take().expect("standard output is piped"));
        match ready_addresses(&lines, since_spawn) {
            Ok((kafka, metrics)) => {
                let ready_ms = since_spawn.ms();
                let trace_path = options.trace_path.clone();
                Ok(Broker { child, lines, trace_path, kafka, metrics, since_spawn, ready_ms })
            }
            Err(reason) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(broken(reason, &options.trace_path))
            }
        }
    }

    /// SIGTERM, and waits: a broker that does not end with 0 is a failure.
    pub fn stop(mut self) -> Result<(), Failure> {
        let pid = libc::pid_t::try_from(self.pid()).expect("a process id fits");
        // SAFETY: kill takes plain numbers; the child has not been waited for, so the id is still its own.
        if unsafe { libc::kill(pid, libc::SIGTERM) } != 0 {
            return Err(broken("could not be told to stop".to_owned(), &self.trace_path));
        }
        match self.wait_at_most(STOPPED_WITHIN) {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(broken(format!("ended with {status} after SIGTERM"), &self.trace_path)),
            None => Err(broken(format!("still ran {STOPPED_WITHIN:?} after SIGTERM"), &self.trace_path)),
        }
    }

    /// SIGKILL: what a crash of the process is to the directory.
    pub fn kill(mut self) -> Result<(), Failure> {
        self.child.kill().map_err(Failure::machine("killing the broker"))?;
        self.child.wait().map(drop).map_err(Failure::machine("waiting for the killed broker"))
    }

    /// CPU seconds the broker has used so far, user and kernel.
    pub fn cpu_seconds(&self) -> Result<f64, Failure> {
        let path = format!("/proc/{}/stat", self.pid());
        let stat = fs::read_to_string(&path).map_err(Failure::machine(path))?;
        cpu_ticks(&stat)
            .map(|ticks| ticks as f64 / ticks_per_second())
            .ok_or_else(|| broken("has an unreadable /proc/PID/stat".to_owned(), &self.trace_path))
    }

    /// Resident memory in MiB.
    pub fn resident_mib(&self) -> Result<f64, Failure> {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(&path).map_err(Failure::machine(path))?;
        resident_kib(&status)
            .map(|kib| kib as f64 / 1024.0)
            .ok_or_else(|| broken("has an unreadable /proc/PID/status".to_owned(), &self.trace_path))
    }

    /// Bytes that the process has caused to be written to the device so far.
    pub fn written_bytes(&self) -> Result<f64, Failure> {
        let path = format!("/proc/{}/io", self.pid());
        let io = fs::read_to_string(&path).map_err(Failure::machine(path))?;
        let bytes = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.trim().parse().ok());
        bytes.ok_or_else(|| broken("has an unreadable /proc/PID/io".to_owned(), &self.trace_path))
    }

    /// What it has received and copied so far; nothing if it does not tell.
    pub fn moved(&self) -> Option<Moved> {
        self.metrics.and_then(Moved::of)
    }

    /// Segment files that the process has open.
    pub fn open_segments(&self) -> Result<f64, Failure> {
        let path = format!("/proc/{}/fd", self.pid());
        let files = fs::read_dir(&path).map_err(Failure::machine(path))?;
        let is_segment = |file: &fs::DirEntry| {
            fs::read_link(file.path()).is_ok_and(|target| target.ancestors().any(|dir| dir.ends_with("topics")))
        };
        Ok(files.flatten().filter(is_segment).count() as f64)
    }

    /// Makes of a failure to talk to this broker the reason for it, if that is that the broker has died.
    pub fn explain(&mut self, failure: Failure) -> Failure {
        match self.wait_at_most(DEATH_WITHIN) {
            Some(status) => broken(format!("ended with {status} ({failure})"), &self.trace_path),
            None => failure,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Standard output ends when the process does, so waiting for that end needs neither polling nor a signal.
    fn wait_at_most(&mut self, limit: Duration) -> Option<ExitStatus> {
        let watch = Stopwatch::start();
        while self.lines.recv_timeout(limit.saturating_sub(watch.elapsed())) != Err(RecvTimeoutError::Disconnected) {
            if watch.elapsed() >= limit {
                return None;
            }
        }
        self.child.wait().ok()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // After a stop both calls find nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU seconds of all children that have been waited for so far. Across one child's run the difference is that child's.
pub fn children_cpu_seconds() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a rusage, which all zeros is a value of, so it is initialised whatever the call does.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Makes the kernel kill the child when this process ends, so that a run cut short leaves nothing behind.
pub fn die_with_parent(command: &mut Command) {
    // SAFETY: the closure runs between fork and exec and makes one async-signal-safe system call on plain numbers.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

fn forward_lines(stdout: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // After the ready line nobody looks, and the pipe has to be emptied all the same.
            let _ = sender.send(line);
        }
    });
    receiver
}

fn ready_addresses(lines: &Receiver<String>, since_spawn: Stopwatch) -> Result<Addresses, String> {
    loop {
        match lines.recv_timeout(READY_WITHIN.saturating_sub(since_spawn.elapsed())) {
            Ok(line) => {
                if let Some(addresses) = parse_ready(&line) {
                    return Ok(addresses);
                }
            }
            Err(RecvTimeoutError::Timeout) => return Err(format!("was not ready within {READY_WITHIN:?}")),
            Err(RecvTimeoutError::Disconnected) => return Err("ended before it was ready".to_owned()),
        }
    }
}

/// For Kafka clients, and for figures.
type Addresses = (SocketAddr, Option<SocketAddr>);

/// `ready kafka=127.0.0.1:9092 shards=2 in_ms=37 metrics=127.0.0.1:9644`
fn parse_ready(line: &str) -> Option<Addresses> {
    let fields = line.strip_prefix("ready ")?;
    let address = |name| fields.split_whitespace().find_map(|field| field.strip_prefix(name))?.parse().ok();
    Some((address("kafka=")?, address("metrics=")))
}

fn broken(reason: String, trace_path: &Path) -> Failure {
    let text = fs::read_to_string(trace_path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    // A panic says what happened first, and then where at length.
    let first =
        lines.iter().rposition(|line| line.contains("panicked at")).unwrap_or(lines.len().saturating_sub(TRACE_LINES));
    let trace = lines[first..].iter().take(TRACE_LINES).copied().collect::<Vec<_>>().join("\n");
    Failure::Broker { reason, trace_path: trace_path.to_owned(), trace }
}

/// Fields 14 and 15 of `/proc/PID/stat`. The second field is the program's name in brackets, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

fn resident_kib(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

fn ticks_per_second() -> f64 {
    // SAFETY: sysconf takes a plain number.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_line_gives_the_address_and_other_lines_do_not() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let found = parse_ready("ready kafka=127.0.0.1:9092 shards=2 in_ms=37 metrics=127.0.0.1:9644");
        assert_eq!(found, Some((address("127.0.0.1:9092"), Some(address("127.0.0.1:9644")))));
        assert_eq!(parse_ready("ready kafka=127.0.0.1:9092 shards=2"), Some((address("127.0.0.1:9092"), None)));
        assert_eq!(parse_ready("features in use: ..."), None);
        assert_eq!(parse_ready("ready shards=2"), None);
    }

    #[test]
    fn a_program_name_with_brackets_does_not_shift_the_fields() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 400 56 0 0 20 0 3 0 99";
        assert_eq!(cpu_ticks(stat), Some(456));
        assert_eq!(resident_kib("Name:\tx\nVmRSS:\t   20480 kB\n"), Some(20480));
    }
}
