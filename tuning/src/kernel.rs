//! Reads what the kernel is and allows. SHELL: it makes system calls, and changes nothing.

use std::io;

use io_uring::IoUring;

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
    pub aio_requests_max: Option<u64>,
    /// Whether the process may lock memory beyond its limit, as root may.
    pub is_privileged: bool,
    pub huge_pages: Option<String>,
    pub swappiness: Option<u64>,
    pub numa_balancing: Option<u64>,
    pub clocksource: Option<String>,
    pub clocksources_available: Vec<String>,
    /// Whether somebody keeps the clock right; none if that cannot be told.
    pub is_clock_synchronised: Option<bool>,
    /// CPUs that the boot options keep free of other work.
    pub isolated_cpus: Vec<usize>,
}

/// Reads all of it.
pub fn read(root: &Root) -> KernelFacts {
    let clocksource = "/sys/devices/system/clocksource/clocksource0";
    let limits = root.text("/proc/self/limits").unwrap_or_default();
    KernelFacts {
        release: root.text("/proc/sys/kernel/osrelease"),
        io_uring_disabled: root.number("/proc/sys/kernel/io_uring_disabled"),
        io_uring_setup: root.is_live().then(set_up_ring),
        locked_memory: resource_limit(&limits, "Max locked memory"),
        open_files: resource_limit(&limits, "Max open files"),
        aio_requests_max: root.number("/proc/sys/fs/aio-max-nr"),
        is_privileged: root.is_live() && rustix::process::geteuid().is_root(),
        huge_pages: root
            .text("/sys/kernel/mm/transparent_hugepage/enabled")
            .and_then(|text| root::chosen(&text).map(str::to_owned)),
        swappiness: root.number("/proc/sys/vm/swappiness"),
        numa_balancing: root.number("/proc/sys/kernel/numa_balancing"),
        clocksource: root.text(&format!("{clocksource}/current_clocksource")),
        clocksources_available: root
            .text(&format!("{clocksource}/available_clocksource"))
            .map_or_else(Vec::new, |text| text.split_whitespace().map(str::to_owned).collect()),
        is_clock_synchronised: is_clock_synchronised(root),
        isolated_cpus: root
            .text("/sys/devices/system/cpu/isolated")
            .map_or_else(Vec::new, |text| root::cpu_list(&text)),
    }
}

/// Asks for a ring the way the broker does, because a setting can allow what a seccomp filter forbids.
fn set_up_ring() -> Result<(), String> {
    let ring: io::Result<IoUring> = IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(8);
    ring.map(drop).map_err(|error| error.to_string())
}

/// A line of proc_pid_limits(5): `Max open files            20000                20000                files`
fn resource_limit(limits: &str, name: &str) -> Option<ResourceLimit> {
    let mut words = limits.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace();
    let mut value = || match words.next()? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    };
    Some(ResourceLimit { soft: value()?, hard: value()? })
}

/// The kernel knows best, but cannot be asked about a captured machine; there a running systemd-timesyncd has left a file.
fn is_clock_synchronised(root: &Root) -> Option<bool> {
    if !root.is_live() {
        return root.exists("/run/systemd/timesync/synchronized").then_some(true);
    }
    let mut clock = std::mem::MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: with zero modes the call changes nothing and fills the structure that the pointer is to.
    let state = unsafe { libc::adjtimex(clock.as_mut_ptr()) };
    (state >= 0).then_some(state != libc::TIME_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_kernel_prints_them() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max open files            20000                unlimited            files\n";
        let limit = resource_limit(text, "Max open files");
        assert_eq!(limit, Some(ResourceLimit { soft: Some(20_000), hard: None }));
        assert_eq!(resource_limit(text, "Max locked memory"), None);
    }
}
