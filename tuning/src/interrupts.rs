//! Reads which CPUs answer a device's interrupts.

use crate::root::{self, Root};

/// An interrupt of a queue of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupt {
    pub number: u32,
    /// What `/proc/interrupts` calls it: `nvme0q1`, `virtio1-req.0`, `eth0-TxRx-3`.
    pub action: String,
    /// Where it arrives. Empty if the kernel does not show it.
    pub cpus: Vec<usize>,
}

/// The interrupts whose name says that they serve the queues of a device with one of these names.
pub fn of_device(root: &Root, names: &[&str]) -> Vec<Interrupt> {
    let text = root.text("/proc/interrupts").unwrap_or_default();
    let listed = text.lines().filter_map(number_and_action);
    let ours = listed.filter(|(_, action)| names.iter().any(|name| serves_queue_of(action, name)));
    let cpus = |number: u32| {
        let file = |name: &str| root.text(&format!("/proc/irq/{number}/{name}")).filter(|text| !text.is_empty());
        // What was asked for may name many CPUs; what the hardware does is the effective list.
        let list = file("effective_affinity_list").or_else(|| file("smp_affinity_list"));
        list.map_or_else(Vec::new, |text| root::cpu_list(&text))
    };
    ours.map(|(number, action)| Interrupt { number, action: action.to_owned(), cpus: cpus(number) }).collect()
}

/// ` 36:   0   23217206  PCI-MSIX-0000:00:02.0   1-edge   virtio1-req.0`
fn number_and_action(line: &str) -> Option<(u32, &str)> {
    let (number, rest) = line.split_once(':')?;
    Some((number.trim().parse().ok()?, rest.split_whitespace().last()?))
}

fn serves_queue_of(action: &str, name: &str) -> bool {
    let Some(rest) = action.strip_prefix(name) else {
        // Some drivers name a queue by itself and its device by its place: `mlx5_comp0@pci:0000:3b:00.0`.
        return action.ends_with(&format!("@pci:{name}")) && action.contains("comp");
    };
    let is_other = rest == "q0" || ["config", "mgmnt", "control", "async"].iter().any(|word| rest.contains(word));
    !is_other && (rest.is_empty() || rest.starts_with(['-', 'q']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_interrupts_of_queues_belong_to_a_device() {
        for (action, name) in [
            ("nvme0q1", "nvme0"),
            ("virtio1-req.0", "virtio1"),
            ("eth0-TxRx-3", "eth0"),
            ("mlx5_comp0@pci:0000:3b:00.0", "0000:3b:00.0"),
        ] {
            assert!(serves_queue_of(action, name), "{action}");
        }
        for (action, name) in [
            ("nvme0q0", "nvme0"),
            ("nvme01q1", "nvme0"),
            ("virtio1-config", "virtio1"),
            ("mlx5_async0@pci:0000:3b:00.0", "0000:3b:00.0"),
        ] {
            assert!(!serves_queue_of(action, name), "{action}");
        }
        assert_eq!(number_and_action(" 36:  0  232 PCI-MSIX 1-edge   virtio1-req.0"), Some((36, "virtio1-req.0")));
        assert_eq!(number_and_action("NMI:  0  0   Non-maskable interrupts"), None);
    }
}
