//! Reads how fast CPUs run and how deep they sleep.

use crate::root::Root;

/// A state that an idle CPU may go into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleState {
    /// Its directory below `/sys`.
    pub directory: String,
    pub name: String,
    /// Time to come back.
    pub exit_us: u64,
    pub is_disabled: bool,
}

#[derive(Clone, Debug, Default)]
pub struct PowerFacts {
    /// Where a governor can be chosen, and which it is; empty where the frequency is not the system's business.
    pub governors: Vec<(String, String)>,
    /// Of all CPUs; empty in most guests.
    pub idle_states: Vec<IdleState>,
    /// How long a CPU of a guest looks for work before it gives itself up to the host; nothing where the kernel has no such choice.
    pub guest_halt_poll_ns: Option<u64>,
}

pub const GUEST_HALT_POLL: &str = "/sys/module/haltpoll/parameters/guest_halt_poll_ns";

pub fn read(root: &Root) -> PowerFacts {
    let cpus = "/sys/devices/system/cpu";
    let is_cpu = |name: &String| name.strip_prefix("cpu").is_some_and(|rest| rest.parse::<usize>().is_ok());
    let governor = root.text("/sys/devices/system/cpu/cpuidle/current_governor");
    let guest_halt_poll_ns = root.number(GUEST_HALT_POLL).filter(|_| governor.as_deref() == Some("haltpoll"));
    let mut facts = PowerFacts { guest_halt_poll_ns, ..Default::default() };
    for cpu in root.names(cpus).into_iter().filter(is_cpu) {
        let governor = format!("{cpus}/{cpu}/cpufreq/scaling_governor");
        facts.governors.extend(root.text(&governor).map(|text| (governor, text)));
        let states = format!("{cpus}/{cpu}/cpuidle");
        facts.idle_states.extend(root.names(&states).iter().filter_map(|name| state(root, format!("{states}/{name}"))));
    }
    facts
}

fn state(root: &Root, directory: String) -> Option<IdleState> {
    Some(IdleState {
        name: root.text(&format!("{directory}/name"))?,
        exit_us: root.number(&format!("{directory}/latency"))?,
        is_disabled: root.number::<u64>(&format!("{directory}/disable"))? != 0,
        directory,
    })
}
