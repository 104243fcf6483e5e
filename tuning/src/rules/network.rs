//! Taking connections and packets.

use super::{Rule, interrupts, sysctl};
use crate::network::{Card, NetworkFacts};
use crate::plan::{Finding, Remedy, Severity, Write};
use crate::root;

const BACKLOG_WANTED: u64 = 4096;
const SOCKET_BYTES_WANTED: u64 = 2 << 20;
const FLOW_ENTRIES_WANTED: u64 = 32_768;

/// `cores` are those that shards run on.
pub(super) fn findings(facts: &NetworkFacts, cores: &[usize]) -> Vec<Finding> {
    let mut findings = vec![
        at_least(
            Rule {
                tuner: "somaxconn",
                wanted: ">= 4096",
                says: "rpk, perftune",
                why: "When all clients reconnect at once, connections wait here until a shard accepts them.",
            },
            "net/core/somaxconn",
            facts.somaxconn,
            BACKLOG_WANTED,
        ),
        at_least(
            Rule {
                tuner: "syn-backlog",
                wanted: ">= 4096",
                says: "rpk, perftune",
                why: "Half-open connections beyond it are dropped and tried again a second later.",
            },
            "net/ipv4/tcp_max_syn_backlog",
            facts.syn_backlog,
            BACKLOG_WANTED,
        ),
    ];
    findings.extend(buffers(facts));
    findings.push(irqbalance(facts));
    for card in &facts.cards {
        findings.extend([card_interrupts(card, cores), receive_steering(card, cores), send_steering(card, cores)]);
    }
    findings.push(flow_steering(facts, cores));
    findings
}

fn at_least(rule: Rule, path: &str, value: Option<u64>, wanted: u64) -> Finding {
    let Some(value) = value else { return rule.unknown() };
    rule.judged(value.to_string(), value >= wanted, Severity::Warning, sysctl(path, wanted))
}

fn buffers(facts: &NetworkFacts) -> Vec<Finding> {
    let rule = |tuner, why| Rule { tuner, wanted: ">= 2 MiB", says: "Kafka", why };
    let asked = "A buffer that a program asks for is cut to this.";
    let grown =
        "TCP grows a buffer up to this; between data centres a small one bounds the throughput of a connection.";
    vec![
        at_least(rule("rmem-max", asked), "net/core/rmem_max", facts.receive_bytes_max, SOCKET_BYTES_WANTED),
        at_least(rule("wmem-max", asked), "net/core/wmem_max", facts.send_bytes_max, SOCKET_BYTES_WANTED),
        grown_buffer(rule("tcp-rmem", grown), "net/ipv4/tcp_rmem", &facts.tcp_receive_bytes),
        grown_buffer(rule("tcp-wmem", grown), "net/ipv4/tcp_wmem", &facts.tcp_send_bytes),
    ]
}

fn grown_buffer(rule: Rule, path: &str, bytes: &[u64]) -> Finding {
    let [least, first, most] = bytes else { return rule.unknown() };
    let remedy = sysctl(path, format!("{least} {first} {SOCKET_BYTES_WANTED}"));
    rule.judged(format!("{least} {first} {most}"), *most >= SOCKET_BYTES_WANTED, Severity::Warning, remedy)
}

fn irqbalance(facts: &NetworkFacts) -> Finding {
    let rule = Rule {
        tuner: "irqbalance",
        wanted: "not running",
        says: "rpk, perftune",
        why: "It moves interrupts every few seconds and undoes what was chosen for disks and network cards.",
    };
    let now = if facts.has_irqbalance { "running" } else { "not running" };
    let remedy =
        Remedy::advice("systemctl disable --now irqbalance, or ban the interrupts of disk and network card in it");
    rule.judged(now, !facts.has_irqbalance, Severity::Warning, remedy)
}

fn card_interrupts(card: &Card, cores: &[usize]) -> Finding {
    let rule = Rule {
        tuner: "net-irq",
        wanted: "each queue on its own core",
        says: "rpk, perftune",
        why: "One CPU that answers all interrupts of a card is full while the others wait for packets.",
    };
    let device = interrupts::Device { name: &card.name, interrupts: &card.interrupts, cores, is_managed: false };
    interrupts::spread(rule, &device)
}

/// Whether packets arrive on fewer CPUs than shards run on.
fn has_few_queues(card: &Card, cores: &[usize]) -> bool {
    card.receive_queues.len() < cores.len()
}

fn receive_steering(card: &Card, cores: &[usize]) -> Finding {
    let rule = Rule {
        tuner: "rps",
        wanted: "all cores, if the card has fewer receive queues",
        says: "rpk, perftune",
        why: "The work of TCP for all connections otherwise stays on the CPU that answers the interrupt.",
    };
    let queues = card.receive_queues.len();
    if !has_few_queues(card, cores) {
        return rule.good(format!("{}: {queues} queues are enough", card.name));
    }
    let without = card.receive_queues.iter().filter(|queue| !cores.iter().all(|core| queue.cpus.contains(core)));
    let path = |queue: &str| format!("/sys/class/net/{}/queues/{queue}/rps_cpus", card.name);
    let writes: Vec<Write> = without.map(|queue| Write::new(path(&queue.name), root::mask_of(cores))).collect();
    let now = format!("{}: on for {} of {queues} queues", card.name, queues - writes.len());
    rule.judged(now, writes.is_empty(), Severity::Warning, Remedy::Write(writes))
}

fn send_steering(card: &Card, cores: &[usize]) -> Finding {
    let rule = Rule {
        tuner: "xps",
        wanted: "a queue for each core, if there are several",
        says: "rpk, perftune",
        why: "Cores that share a send queue wait for each other's lock.",
    };
    let count = card.send_queues.len();
    let choosable = card.send_queues.iter().enumerate().filter(|(_, queue)| queue.cpus.is_some());
    if count < 2 || cores.is_empty() || choosable.clone().count() == 0 {
        return rule.good(format!("{}: nothing to choose among {count} queues", card.name));
    }
    let unused = choosable.filter(|(_, queue)| queue.cpus.as_ref().is_some_and(Vec::is_empty));
    let share = |at: usize| -> Vec<usize> {
        cores.iter().enumerate().filter(|(index, _)| index % count == at).map(|(_, &core)| core).collect()
    };
    let write = |(at, queue): (usize, &crate::network::SendQueue)| {
        let path = format!("/sys/class/net/{}/queues/{}/xps_cpus", card.name, queue.name);
        Write::new(path, root::mask_of(&share(at)))
    };
    // A queue beyond the number of cores stays without one.
    let writes: Vec<Write> = unused.filter(|(at, _)| !share(*at).is_empty()).map(write).collect();
    let now = format!("{}: {} of {count} queues belong to no core", card.name, writes.len());
    rule.judged(now, writes.is_empty(), Severity::Warning, Remedy::Write(writes))
}

fn flow_steering(facts: &NetworkFacts, cores: &[usize]) -> Finding {
    let rule = Rule {
        tuner: "rfs",
        wanted: "32768 flows, if a card has fewer receive queues than cores",
        says: "rpk, perftune",
        why: "Packets go to the core whose shard reads their connection, not to any.",
    };
    let few: Vec<&Card> = facts.cards.iter().filter(|card| has_few_queues(card, cores)).collect();
    let Some(entries) = facts.flow_entries else { return rule.unknown() };
    if few.is_empty() {
        return rule.good(format!("{entries} flows; no card needs them"));
    }
    let mut writes = Vec::new();
    if entries < FLOW_ENTRIES_WANTED {
        writes.push(Write::new("/proc/sys/net/core/rps_sock_flow_entries", FLOW_ENTRIES_WANTED));
    }
    for card in few {
        let wanted = FLOW_ENTRIES_WANTED / card.receive_queues.len().max(1) as u64;
        let without = card.receive_queues.iter().filter(|queue| queue.flows.is_some_and(|flows| flows < wanted));
        let path = |queue: &str| format!("/sys/class/net/{}/queues/{queue}/rps_flow_cnt", card.name);
        writes.extend(without.map(|queue| Write::new(path(&queue.name), wanted)));
    }
    rule.judged(format!("{entries} flows"), writes.is_empty(), Severity::Warning, Remedy::Write(writes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{ReceiveQueue, SendQueue};

    fn card(receive: usize, send: usize) -> Card {
        Card {
            name: "eth0".to_owned(),
            receive_queues: (0..receive)
                .map(|at| ReceiveQueue { name: format!("rx-{at}"), flows: Some(0), ..Default::default() })
                .collect(),
            send_queues: (0..send).map(|at| SendQueue { name: format!("tx-{at}"), cpus: Some(vec![]) }).collect(),
            ..Default::default()
        }
    }

    fn lines(finding: &Finding) -> Vec<String> {
        finding.writes().iter().map(Write::line).collect()
    }

    #[test]
    fn a_short_backlog_is_raised() {
        let facts = NetworkFacts { somaxconn: Some(4096), syn_backlog: Some(2048), ..Default::default() };
        let findings = findings(&facts, &[0]);
        assert_eq!(findings[0].severity, Severity::Ok);
        assert_eq!(lines(&findings[1]), ["echo 4096 > /proc/sys/net/ipv4/tcp_max_syn_backlog"]);
    }

    #[test]
    fn a_small_buffer_keeps_its_first_two_numbers() {
        let finding = grown_buffer(
            Rule { tuner: "tcp-rmem", wanted: "", says: "", why: "" },
            "net/ipv4/tcp_rmem",
            &[4096, 131_072, 1000],
        );
        assert_eq!(lines(&finding), ["echo '4096 131072 2097152' > /proc/sys/net/ipv4/tcp_rmem"]);
    }

    #[test]
    fn packets_are_steered_only_where_queues_are_fewer_than_cores() {
        let cores = [0, 2, 4, 6];
        assert_eq!(receive_steering(&card(4, 4), &cores).severity, Severity::Ok);
        let finding = receive_steering(&card(1, 1), &cores);
        assert_eq!(lines(&finding), ["echo 55 > /sys/class/net/eth0/queues/rx-0/rps_cpus"]);
        let facts = NetworkFacts { flow_entries: Some(0), cards: vec![card(2, 2)], ..Default::default() };
        assert_eq!(
            lines(&flow_steering(&facts, &cores)),
            [
                "echo 32768 > /proc/sys/net/core/rps_sock_flow_entries",
                "echo 16384 > /sys/class/net/eth0/queues/rx-0/rps_flow_cnt",
                "echo 16384 > /sys/class/net/eth0/queues/rx-1/rps_flow_cnt",
            ]
        );
    }

    #[test]
    fn send_queues_are_dealt_to_the_cores() {
        let finding = send_steering(&card(2, 2), &[0, 1, 2]);
        assert_eq!(
            lines(&finding),
            ["echo 5 > /sys/class/net/eth0/queues/tx-0/xps_cpus", "echo 2 > /sys/class/net/eth0/queues/tx-1/xps_cpus"]
        );
        assert_eq!(send_steering(&card(1, 1), &[0, 1]).severity, Severity::Ok);
    }
}
