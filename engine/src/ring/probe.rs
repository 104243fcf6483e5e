//! Whether this machine can run a shard, said in one sentence if it cannot.

use std::ffi::CString;
use std::fmt;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use io_uring::{IoUring, Probe, opcode};

use super::address::check;
use super::buffer_ring::BufferRing;
use super::shared::set_up;
use crate::memory::{AlignedBuf, BUF_ALIGN_BYTES};

/// Where the kernel says who may use io_uring.
const DISABLED_SYSCTL: &str = "/proc/sys/kernel/io_uring_disabled";

/// Locked memory below which the executor refuses to start, in bytes.
const MEMLOCK_BYTES_MIN: u64 = 512 << 10;

/// Entries and buffers of the ring made for the probe: as few as show that it can be made.
const PROBE_ENTRIES: u32 = 8;

/// What the ring calls and cannot do without.
const OPCODES: [(u8, &str); 17] = [
    (opcode::Write::CODE, "write"),
    (opcode::Writev::CODE, "writev"),
    (opcode::Read::CODE, "read"),
    (opcode::Fsync::CODE, "fsync"),
    (opcode::Fallocate::CODE, "fallocate"),
    (opcode::OpenAt::CODE, "openat"),
    (opcode::Close::CODE, "close"),
    (opcode::RenameAt::CODE, "renameat"),
    (opcode::UnlinkAt::CODE, "unlinkat"),
    (opcode::MkDirAt::CODE, "mkdirat"),
    (opcode::AcceptMulti::CODE, "accept"),
    (opcode::Connect::CODE, "connect"),
    (opcode::Recv::CODE, "recv"),
    (opcode::Send::CODE, "send"),
    (opcode::SendMsg::CODE, "sendmsg"),
    (opcode::PollAdd::CODE, "poll"),
    (opcode::AsyncCancel::CODE, "cancel"),
];

/// Why a shard cannot run here. Each text is one sentence with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No io_uring at all.
    #[error("this kernel ({kernel}) has no io_uring: run Linux 6.1 or later, with CONFIG_IO_URING")]
    Missing {
        /// Release of the running kernel.
        kernel: String,
    },
    /// Switched off by the administrator.
    #[error(
        "io_uring is switched off by kernel.io_uring_disabled={value}: \
         run `sysctl kernel.io_uring_disabled=0`, or with value 1 join the group of kernel.io_uring_group"
    )]
    Disabled {
        /// The sysctl's value.
        value: u32,
    },
    /// Forbidden by a sandbox.
    #[error(
        "the kernel forbids io_uring to this process although kernel.io_uring_disabled allows it: a seccomp filter is in \
         force; allow io_uring_setup, io_uring_enter and io_uring_register (for Docker: --security-opt seccomp=PROFILE)"
    )]
    Forbidden,
    /// Too little locked memory.
    #[error(
        "the locked-memory limit of {limit_bytes} bytes is too small for io_uring: \
         raise it with `ulimit -l unlimited` or LimitMEMLOCK=infinity in the service's unit"
    )]
    LockedMemory {
        /// RLIMIT_MEMLOCK of the process.
        limit_bytes: u64,
    },
    /// io_uring without what we need of it.
    #[error("this kernel's io_uring ({kernel}) lacks {lacking}: run Linux 6.1 or later")]
    TooOld {
        /// Release of the running kernel.
        kernel: String,
        /// What is missing.
        lacking: String,
    },
    /// The directory is on a file system without direct I/O.
    #[error("the file system of {} does not support direct I/O (O_DIRECT): use a directory on XFS or ext4", directory.display())]
    NoDirectIo {
        /// The directory asked about.
        directory: PathBuf,
    },
    /// Direct I/O with a granularity that our buffers do not meet.
    #[error("direct I/O in {} wants an alignment of {wanted_bytes} bytes: at most {BUF_ALIGN_BYTES} is supported, use another disk", directory.display())]
    Alignment {
        /// The directory asked about.
        directory: PathBuf,
        /// What its device wants.
        wanted_bytes: u32,
    },
    /// Anything else, with what was being done.
    #[error("{doing} failed: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
}

/// What the ring uses here. Shown as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// Release of the running kernel.
    pub kernel: String,
    /// Sleeping in the ring is not booked as waiting for I/O (Linux 6.15).
    pub no_iowait: bool,
    /// RLIMIT_MEMLOCK in bytes; `None`: unlimited.
    pub locked_memory_bytes: Option<u64>,
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "io_uring on Linux {}: single_issuer defer_taskrun coop_taskrun taskrun_flag submit_all",
            self.kernel
        )?;
        write!(f, " buffer_ring multishot_accept multishot_poll")?;
        if self.no_iowait {
            write!(f, " no_iowait")?;
        }
        match self.locked_memory_bytes {
            Some(bytes) => write!(f, ", locked memory {} KiB", bytes >> 10),
            None => write!(f, ", locked memory unlimited"),
        }
    }
}

/// The alignment that direct I/O asks for, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectIoAlignment {
    /// Of buffer addresses.
    pub memory_bytes: u32,
    /// Of file positions and lengths.
    pub position_bytes: u32,
}

/// Makes a small ring as the shards do, and takes it apart again.
pub fn probe() -> Result<Features, ProbeError> {
    let locked_memory_bytes = locked_memory_limit()?;
    if let Some(limit_bytes) = locked_memory_bytes
        && limit_bytes < MEMLOCK_BYTES_MIN
    {
        return Err(ProbeError::LockedMemory { limit_bytes });
    }
    let uring = set_up(PROBE_ENTRIES).map_err(|error| explain(error, locked_memory_bytes))?;
    check_opcodes(&uring)?;
    let buffers = BufferRing::register(&uring, 1, BUF_ALIGN_BYTES as u32);
    let buffers = buffers.map_err(|error| explain(error, locked_memory_bytes))?;
    let no_iowait = uring.params().is_feature_no_iowait();
    // The ring goes before the buffers that it knows.
    drop(uring);
    drop(buffers);
    Ok(Features { kernel: kernel_release(), no_iowait, locked_memory_bytes })
}

/// What we write by, and take for what is wanted where nothing is said.
const OWN_ALIGNMENT: DirectIoAlignment =
    DirectIoAlignment { memory_bytes: BUF_ALIGN_BYTES as u32, position_bytes: BUF_ALIGN_BYTES as u32 };

/// Writes one block with `O_DIRECT` to a temporary file in `directory` and asks what alignment it wants.
pub fn check_direct_io(directory: &Path) -> Result<DirectIoAlignment, ProbeError> {
    let path = directory.join(format!(".direct-io-check-{}", std::process::id()));
    let c_path = CString::new(path.as_os_str().as_bytes());
    let c_path = c_path.map_err(|error| failed(format!("opening {}", path.display()), error.into()))?;
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | libc::O_DIRECT | libc::O_CLOEXEC;
    // SAFETY: the path is a C string that outlives the call.
    let fd = match check(unsafe { libc::open(c_path.as_ptr(), flags, 0o600) }) {
        // SAFETY: the descriptor is fresh and nobody else owns it.
        Ok(fd) => unsafe { OwnedFd::from_raw_fd(fd) },
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            // Some file systems create the file before they refuse the flag.
            remove_check_file(&path);
            return Err(ProbeError::NoDirectIo { directory: directory.to_path_buf() });
        }
        // A full disk need not take a new file, not even an empty one. Whoever has filled it with direct I/O has asked before.
        Err(error) if is_full(&error) => return Ok(OWN_ALIGNMENT),
        Err(error) => return Err(failed(format!("creating a file in {}", directory.display()), error)),
    };
    let alignment = try_direct_write(&fd, directory);
    remove_check_file(&path);
    alignment
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn try_direct_write(fd: &OwnedFd, directory: &Path) -> Result<DirectIoAlignment, ProbeError> {
    let block = AlignedBuf::zeroed(BUF_ALIGN_BYTES);
    // SAFETY: `block` is valid for its length and outlives the call.
    let written = unsafe { libc::pwrite(fd.as_raw_fd(), block.as_ptr().cast(), block.len(), 0) };
    if written != block.len() as isize {
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINVAL) => return Err(ProbeError::NoDirectIo { directory: directory.to_path_buf() }),
            // A full disk says nothing about direct I/O, and the file was opened for it.
            _ if is_full(&error) => {}
            _ => return Err(failed(format!("a direct write in {}", directory.display()), error)),
        }
    }
    let alignment = stated_alignment(fd).map_err(|error| failed(format!("statx in {}", directory.display()), error))?;
    let wanted_bytes = alignment.memory_bytes.max(alignment.position_bytes);
    if wanted_bytes as usize > BUF_ALIGN_BYTES {
        return Err(ProbeError::Alignment { directory: directory.to_path_buf(), wanted_bytes });
    }
    Ok(alignment)
}

/// What `statx` says (Linux 6.1); our own alignment where the file system does not say.
fn stated_alignment(fd: &OwnedFd) -> io::Result<DirectIoAlignment> {
    let mut stat = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is an empty C string, AT_EMPTY_PATH makes the call about `fd`, and `stat` has room for the answer.
    let called = unsafe {
        libc::statx(fd.as_raw_fd(), c"".as_ptr(), libc::AT_EMPTY_PATH, libc::STATX_DIOALIGN, stat.as_mut_ptr())
    };
    check(called)?;
    // SAFETY: all zero bytes are a valid `statx`, and the kernel has filled it.
    let stat = unsafe { stat.assume_init() };
    let known = stat.stx_mask & libc::STATX_DIOALIGN != 0 && stat.stx_dio_offset_align != 0;
    Ok(match known {
        true => DirectIoAlignment { memory_bytes: stat.stx_dio_mem_align, position_bytes: stat.stx_dio_offset_align },
        false => OWN_ALIGNMENT,
    })
}

fn remove_check_file(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "the direct I/O check left its file behind");
    }
}

fn check_opcodes(uring: &IoUring) -> Result<(), ProbeError> {
    let mut probe = Probe::new();
    let registered = uring.submitter().register_probe(&mut probe);
    registered.map_err(|error| failed("asking io_uring for its operations".to_owned(), error))?;
    let missing: Vec<_> =
        OPCODES.iter().filter(|(code, _)| !probe.is_supported(*code)).map(|(_, name)| *name).collect();
    if missing.is_empty() && uring.params().is_feature_ext_arg() && uring.params().is_feature_nodrop() {
        return Ok(());
    }
    let lacking =
        if missing.is_empty() { "timed waits".to_owned() } else { format!("the operations {}", missing.join(" ")) };
    Err(ProbeError::TooOld { kernel: kernel_release(), lacking })
}

/// Says who is to blame for a ring that could not be made.
fn explain(error: io::Error, locked_memory_bytes: Option<u64>) -> ProbeError {
    match error.raw_os_error() {
        Some(libc::ENOSYS) => ProbeError::Missing { kernel: kernel_release() },
        Some(libc::EPERM | libc::EACCES) => match disabled_sysctl() {
            Some(value) if value > 0 => ProbeError::Disabled { value },
            _ => ProbeError::Forbidden,
        },
        Some(libc::ENOMEM) => ProbeError::LockedMemory { limit_bytes: locked_memory_bytes.unwrap_or(u64::MAX) },
        Some(libc::EINVAL) => {
            ProbeError::TooOld { kernel: kernel_release(), lacking: "deferred completions or buffer rings".to_owned() }
        }
        _ => failed("setting up io_uring".to_owned(), error),
    }
}

fn failed(doing: String, source: io::Error) -> ProbeError {
    ProbeError::Io { doing, source }
}

fn disabled_sysctl() -> Option<u32> {
    fs::read_to_string(DISABLED_SYSCTL).ok()?.trim().parse().ok()
}

fn locked_memory_limit() -> Result<Option<u64>, ProbeError> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` has room for the answer and outlives the call.
    let called = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    check(called).map_err(|error| failed("reading the locked-memory limit".to_owned(), error))?;
    Ok((limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur))
}

fn kernel_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease");
    release.map_or_else(|_| "unknown release".to_owned(), |release| release.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{ProbeError, check_direct_io, explain, probe};
    use std::io;
    use std::path::Path;

    #[test]
    fn this_machine_can_run_a_ring_and_says_so_in_one_line() {
        let features = probe().expect("the tests run where a shard runs");
        let line = features.to_string();
        assert!(line.contains("defer_taskrun") && !line.contains('\n'), "{line}");
    }

    #[test]
    fn each_refusal_names_its_remedy() {
        let said = |code| explain(io::Error::from_raw_os_error(code), Some(65536)).to_string();
        assert!(said(libc::ENOSYS).contains("Linux 6.1"));
        assert!(said(libc::ENOMEM).contains("ulimit -l unlimited"));
        assert!(said(libc::EINVAL).contains("6.1 or later"));
        assert!(said(libc::EPERM).contains("seccomp") || said(libc::EPERM).contains("io_uring_disabled"));
    }

    #[test]
    fn a_real_directory_states_its_alignment() {
        let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a temporary directory");
        let alignment = check_direct_io(directory.path()).expect("the source tree is on a disk with direct I/O");
        assert!(alignment.position_bytes >= 512 && alignment.position_bytes.is_power_of_two());
        let left = std::fs::read_dir(directory.path()).expect("it is there").count();
        assert_eq!(left, 0, "the check removes its file");
    }

    #[test]
    fn a_file_system_without_direct_io_is_named() {
        let error = check_direct_io(Path::new("/proc/self")).expect_err("no files can be made there");
        assert!(matches!(error, ProbeError::Io { .. } | ProbeError::NoDirectIo { .. }), "{error}");
        assert!(error.to_string().contains("/proc/self"));
    }
}
