//! Signals, limits and memory of processes, as Linux shows them.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// Sends SIGTERM.
pub fn ask_to_stop(child: &Child) {
    let pid = libc::pid_t::try_from(child.id()).expect("a process id fits");
    // SAFETY: kill takes plain numbers; the child has not been waited for, so the id is still its own.
    let code = unsafe { libc::kill(pid, libc::SIGTERM) };
    assert_eq!(code, 0, "SIGTERM to {pid}: {}", io::Error::last_os_error());
}

/// Makes the kernel kill the process when the thread that starts it ends, so that a test cut short leaves nothing behind.
pub fn die_with_parent(command: &mut Command) {
    // SAFETY: the closure runs between fork and exec and makes one async-signal-safe system call on plain numbers.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

/// Resident memory of a process in bytes.
pub fn resident_bytes(pid: u32) -> u64 {
    status_kib(pid, "VmRSS:") * 1024
}

/// The highest resident memory a process has had, in bytes.
pub fn resident_bytes_max(pid: u32) -> u64 {
    status_kib(pid, "VmHWM:") * 1024
}

fn status_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the kernel names the field");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB")
}

/// Raises this process's limit of open files as far as it is allowed and gives the limit in force.
pub fn raise_open_files_max() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a valid pointer to a live rlimit.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
    limit.rlim_cur
}
