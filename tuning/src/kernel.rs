//! Reads what the kernel is and allows. SHELL: it makes system calls, and changes nothing.

use std::io;

use crate::root::{self, Root};

/// A limit of this process; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceLimit {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// As read; a field is none where the kernel does not show it.
#[derive(Clone, Debug, Default)]
pub struct KernelFacts {
    pub release: Option<String>,
    pub io_uring_disabled: Option<i64>,
    /// What setting up a ring gave; none if it was not tried, on a captured tree.
    pub io_uring_setup: Option<Result<(), String>>,
    pub locked_memory: Option<ResourceLimit>,
    pub open_files: Option<ResourceLimit>,
    /// Whether the process may lock memory beyond its limit, as root may.
    pub is_privileged: bool,
    pub huge_pages: Option<String>,
    pub swappiness: Option<u64>,
    pub clocksource: Option<String>,
    pub clocksources_available: Vec<String>,
    /// The different governors of all CPUs; empty where frequency is not the system's business.
    pub governors: Vec<String>,
}

/// Reads all of it.
pub fn read(root: &Root) -> KernelFacts {
    let clocksource = "/sys/devices/system/clocksource/clocksource0";
    KernelFacts {
        release: root.text("/proc/sys/kernel/osrelease"),
        io_uring_disabled: root.number("/proc/sys/kernel/io_uring_disabled"),
        io_uring_setup: root.is_live().then(set_up_ring),
        locked_memory: root.is_live().then(|| resource_limit(libc::RLIMIT_MEMLOCK)).flatten(),
        open_files: root.is_live().then(|| resource_limit(libc::RLIMIT_NOFILE)).flatten(),
        // SAFETY: geteuid takes nothing and cannot fail.
        is_privileged: root.is_live() && unsafe { libc::geteuid() } == 0,
        huge_pages: root
            .text("/sys/kernel/mm/transparent_hugepage/enabled")
            .and_then(|text| root::chosen(&text).map(str::to_owned)),
        swappiness: root.number("/proc/sys/vm/swappiness"),
        clocksource: root.text(&format!("{clocksource}/current_clocksource")),
        clocksources_available: root
            .text(&format!("{clocksource}/available_clocksource"))
            .map_or_else(Vec::new, |text| text.split_whitespace().map(str::to_owned).collect()),
        governors: governors(root),
    }
}

fn governors(root: &Root) -> Vec<String> {
    let cpus = "/sys/devices/system/cpu";
    let is_cpu = |name: &String| name.strip_prefix("cpu").is_some_and(|rest| rest.parse::<usize>().is_ok());
    let names = root.names(cpus).into_iter().filter(is_cpu);
    let mut governors: Vec<String> =
        names.filter_map(|name| root.text(&format!("{cpus}/{name}/cpufreq/scaling_governor"))).collect();
    governors.sort();
    governors.dedup();
    governors
}

/// Asks for a ring the way the broker does, because a setting can allow what a seccomp filter forbids.
fn set_up_ring() -> Result<(), String> {
    const SINGLE_ISSUER_AND_DEFER_TASKRUN: u32 = 1 << 12 | 1 << 13;
    const FLAGS_WORD: usize = 2;
    // struct io_uring_params: 10 words and two descriptions of 40 bytes; all zeros but the flags.
    let mut params = [0u32; 30];
    params[FLAGS_WORD] = SINGLE_ISSUER_AND_DEFER_TASKRUN;
    // SAFETY: the kernel reads and writes the 120 bytes of io_uring_params, which the array is.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 8u32, params.as_mut_ptr()) };
    if fd < 0 {
        return Err(io::Error::last_os_error().to_string());
    }
    // SAFETY: the descriptor was just made and nobody else has it.
    unsafe { libc::close(fd as libc::c_int) };
    Ok(())
}

fn resource_limit(resource: libc::__rlimit_resource_t) -> Option<ResourceLimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit.
    let code = unsafe { libc::getrlimit(resource, &raw mut limit) };
    let value = |value: libc::rlim_t| (value != libc::RLIM_INFINITY).then_some(value);
    (code == 0).then(|| ResourceLimit { soft: value(limit.rlim_cur), hard: value(limit.rlim_max) })
}
