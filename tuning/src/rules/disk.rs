//! The disk under the data directory.

use super::{Rule, gib, interrupts};
use crate::disk::{BlockDevice, DiskFacts};
use crate::plan::{Finding, Remedy, Severity};

const FREE_BYTES_WANTED: u64 = 10 << 30;

/// `cores` are those that shards run on.
pub(super) fn findings(facts: &DiskFacts, cores: &[usize]) -> Vec<Finding> {
    let mut findings =
        vec![direct_io(facts), file_system(facts), access_times(facts), barriers(facts), free_space(facts)];
    match &facts.device {
        Some(device) => findings.extend([
            scheduler(device),
            merges(device),
            write_cache(device),
            rotational(device),
            disk_interrupts(device, cores),
        ]),
        None => findings.push(no_device(facts)),
    }
    findings
}

fn direct_io(facts: &DiskFacts) -> Finding {
    let rule = Rule {
        tuner: "direct-io",
        wanted: "works in the data directory",
        says: "ringmain",
        why: "The journal and the segments bypass the page cache.",
    };
    match &facts.direct_io {
        None => rule.unknown(),
        Some(Ok(())) => rule.good(format!("works in {}", facts.directory.display())),
        Some(Err(reason)) => {
            let current = format!("{}: {reason}", facts.directory.display());
            let advice = "choose a directory on XFS or ext4 that the broker may write to";
            rule.finding(current, Severity::Fatal, Some(Remedy::advice(advice)))
        }
    }
}

fn file_system(facts: &DiskFacts) -> Finding {
    let rule = Rule {
        tuner: "file-system",
        wanted: "xfs or ext4",
        says: "rpk, Kafka",
        why: "Others copy on write, or answer a sync before the data is safe.",
    };
    let Some(mount) = &facts.mount else { return rule.unknown() };
    let is_good = ["xfs", "ext4"].contains(&mount.file_system.as_str());
    let current = format!("{} on {}", mount.file_system, mount.source);
    rule.judged(current, is_good, Severity::Warning, Remedy::advice("use XFS for the data directory"))
}

fn access_times(facts: &DiskFacts) -> Finding {
    let rule = Rule {
        tuner: "noatime",
        wanted: "noatime",
        says: "Kafka",
        why: "Otherwise reads write: each first read of a segment after a change updates its inode.",
    };
    let Some(mount) = &facts.mount else { return rule.unknown() };
    let is_good = mount.options.iter().any(|option| option == "noatime");
    let found = mount.options.iter().find(|option| option.contains("atime")).map_or("atime", String::as_str);
    let advice = format!("mount -o remount,noatime {}, and in /etc/fstab", quoted(&mount.point.to_string_lossy()));
    rule.judged(found, is_good, Severity::Warning, Remedy::advice(advice))
}

fn barriers(facts: &DiskFacts) -> Finding {
    let rule = Rule {
        tuner: "mount-barriers",
        wanted: "not turned off",
        says: "ringmain",
        why: "Without barriers a sync does not reach the disk, and acknowledged records are lost in a power cut.",
    };
    let Some(mount) = &facts.mount else { return rule.unknown() };
    let off = mount.options.iter().find(|option| ["nobarrier", "barrier=0"].contains(&option.as_str()));
    let remedy = Remedy::advice("mount without this option");
    rule.judged(off.map_or("not turned off", String::as_str), off.is_none(), Severity::Fatal, remedy)
}

/// In single quotes, so that a shell takes it as one word.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn free_space(facts: &DiskFacts) -> Finding {
    let rule = Rule {
        tuner: "free-space",
        wanted: ">= 10 GiB",
        says: "rpk",
        why: "The journal alone takes half a GiB for each shard.",
    };
    let Some(bytes) = facts.free_bytes else { return rule.unknown() };
    let advice = Remedy::advice("free space, or choose another --data");
    rule.judged(gib(bytes), bytes >= FREE_BYTES_WANTED, Severity::Warning, advice)
}

fn no_device(facts: &DiskFacts) -> Finding {
    let rule = Rule {
        tuner: "block-device",
        wanted: "known",
        says: "ringmain",
        why: "Scheduler and write cache cannot be judged without it.",
    };
    let current =
        facts.mount.as_ref().map_or_else(|| "unknown".to_owned(), |mount| format!("none behind {}", mount.source));
    rule.finding(current, Severity::Info, None)
}

fn scheduler(device: &BlockDevice) -> Finding {
    let rule = Rule {
        tuner: "disk-scheduler",
        wanted: "none",
        says: "rpk, perftune",
        why: "The broker orders its own requests, and the device has queues enough; a scheduler adds time to each.",
    };
    let Some(current) = &device.scheduler else { return rule.unknown() };
    let offers_none = device.schedulers_available.iter().any(|name| name == "none");
    let remedy = match offers_none {
        true => Remedy::write(format!("/sys/block/{}/queue/scheduler", device.name), "none"),
        false => Remedy::advice("the kernel offers no other for this device"),
    };
    let current = format!("{current} on {}", device.name);
    rule.judged(current, device.scheduler.as_deref() == Some("none"), Severity::Warning, remedy)
}

fn merges(device: &BlockDevice) -> Finding {
    let rule = Rule {
        tuner: "disk-nomerges",
        wanted: "2",
        says: "rpk, perftune",
        why: "Looking for neighbours to merge costs CPU and finds none: requests are large already.",
    };
    let Some(value) = device.nomerges else { return rule.unknown() };
    let remedy = Remedy::write(format!("/sys/block/{}/queue/nomerges", device.name), 2);
    rule.judged(format!("{value} on {}", device.name), value == 2, Severity::Warning, remedy)
}

fn write_cache(device: &BlockDevice) -> Finding {
    let rule = Rule {
        tuner: "disk-write-cache",
        wanted: "any; it sets the price of durability",
        says: "rpk, perftune",
        why: "With a volatile cache and no FUA each durable write costs a flush of the whole cache. Never force \
              `write through` unless the cache is known to survive a power cut.",
    };
    let Some(cache) = &device.write_cache else { return rule.unknown() };
    let forced = device.has_fua.map_or("", |has_fua| if has_fua { ", with FUA" } else { ", without FUA" });
    rule.finding(format!("{cache}{forced}"), Severity::Info, None)
}

fn rotational(device: &BlockDevice) -> Finding {
    let rule = Rule {
        tuner: "disk-kind",
        wanted: "solid state",
        says: "ringmain",
        why: "Virtual disks often claim to rotate, so the flag is not trusted: measure instead.",
    };
    match device.rotational {
        None => rule.unknown(),
        Some(false) => rule.good(format!("{} does not rotate", device.name)),
        Some(true) if device.name.starts_with("nvme") => {
            rule.good(format!("{} claims to rotate, which NVMe does not", device.name))
        }
        Some(true) => rule.finding(format!("{} claims to rotate; not trusted", device.name), Severity::Info, None),
    }
}

fn disk_interrupts(device: &BlockDevice, cores: &[usize]) -> Finding {
    let rule = Rule {
        tuner: "disk-irq",
        wanted: "each queue on its own core",
        says: "rpk, perftune",
        why: "An answer of the disk that arrives on another core costs a wake-up across cores, about 20 us.",
    };
    let is_managed = device.name.starts_with("nvme");
    let device = interrupts::Device { name: &device.name, interrupts: &device.interrupts, cores, is_managed };
    interrupts::spread(rule, &device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Mount;

    fn facts(options: &str, device: BlockDevice) -> DiskFacts {
        let options = options.split(',').map(str::to_owned).collect();
        let mount = Mount { file_system: "ext4".to_owned(), point: "/it's".into(), options, ..Default::default() };
        DiskFacts { mount: Some(mount), device: Some(device), ..Default::default() }
    }

    fn judged(facts: &DiskFacts, tuner: &str) -> Finding {
        findings(facts, &[0]).into_iter().find(|finding| finding.tuner == tuner).expect("a finding")
    }

    #[test]
    fn a_device_without_the_scheduler_none_gets_no_command() {
        let device = |available: &[&str]| BlockDevice {
            name: "vda".to_owned(),
            scheduler: Some("mq-deadline".to_owned()),
            schedulers_available: available.iter().map(|&name| name.to_owned()).collect(),
            ..Default::default()
        };
        let remedy = |available| judged(&facts("rw", device(available)), "disk-scheduler").remedy;
        assert_eq!(remedy(&["none", "bfq"]), Some(Remedy::write("/sys/block/vda/queue/scheduler", "none")));
        assert!(matches!(remedy(&["bfq"]), Some(Remedy::Advice(_))));
    }

    #[test]
    fn a_mount_whose_syncs_do_not_reach_the_disk_is_fatal() {
        let severity = |options| judged(&facts(options, BlockDevice::default()), "mount-barriers").severity;
        assert_eq!(
            ["rw,nobarrier", "rw,barrier=0", "rw,barrier=1"].map(severity),
            [Severity::Fatal, Severity::Fatal, Severity::Ok]
        );
    }

    #[test]
    fn a_rotating_disk_is_never_more_than_information() {
        let device = BlockDevice { name: "vda".to_owned(), rotational: Some(true), ..Default::default() };
        assert_eq!(judged(&facts("rw", device), "disk-kind").severity, Severity::Info);
    }

    #[test]
    fn a_mount_point_reaches_the_shell_as_one_word() {
        let finding = judged(&facts("rw,relatime", BlockDevice::default()), "noatime");
        assert_eq!(finding.now, "relatime");
        let Some(Remedy::Advice(advice)) = finding.remedy else { panic!("no advice") };
        assert!(advice.starts_with(r"mount -o remount,noatime '/it'\''s'"), "{advice}");
        assert_eq!(judged(&facts("rw,noatime", BlockDevice::default()), "noatime").severity, Severity::Ok);
    }
}
