//! The disk under the data directory.

use super::{Rule, gib};
use crate::disk::{BlockDevice, DiskFacts};
use crate::plan::{Finding, Remedy, Severity};

const FREE_BYTES_WANTED: u64 = 10 << 30;

pub(super) fn findings(facts: &DiskFacts) -> Vec<Finding> {
    let mut findings = vec![direct_io(facts), file_system(facts), access_times(facts), free_space(facts)];
    match &facts.device {
        Some(device) => findings.extend([scheduler(device), merges(device), write_cache(device), rotational(device)]),
        None => findings.push(no_device(facts)),
    }
    findings
}

fn direct_io(facts: &DiskFacts) -> Finding {
    let rule = Rule {
        what: "direct I/O",
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
            rule.finding(current, Severity::Fatal, Some(Remedy::Advice(advice.to_owned())))
        }
    }
}

fn file_system(facts: &DiskFacts) -> Finding {
    let rule = Rule {
        what: "file system",
        wanted: "xfs or ext4",
        says: "rpk, Kafka",
        why: "Others copy on write, or answer a sync before the data is safe.",
    };
    let Some(mount) = &facts.mount else { return rule.unknown() };
    let is_good = ["xfs", "ext4"].contains(&mount.file_system.as_str());
    let current = format!("{} on {}", mount.file_system, mount.source);
    rule.judged(current, is_good, Severity::Warning, Remedy::Advice("use XFS for the data directory".to_owned()))
}

fn access_times(facts: &DiskFacts) -> Finding {
    let rule = Rule {
        what: "mount option noatime",
        wanted: "noatime",
        says: "Kafka",
        why: "Otherwise reads write: each first read of a segment after a change updates its inode.",
    };
    let Some(mount) = &facts.mount else { return rule.unknown() };
    let is_good = mount.options.iter().any(|option| option == "noatime");
    let found = mount.options.iter().find(|option| option.contains("atime")).map_or("atime", String::as_str);
    let command = format!("mount -o remount,noatime {}  # to last: /etc/fstab", quoted(&mount.point.to_string_lossy()));
    rule.judged(found, is_good, Severity::Warning, Remedy::Command(command))
}

/// In single quotes, so that a shell takes it as one word.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn free_space(facts: &DiskFacts) -> Finding {
    let rule = Rule {
        what: "free space",
        wanted: ">= 10 GiB",
        says: "rpk",
        why: "The journal alone takes half a GiB for each shard.",
    };
    let Some(bytes) = facts.free_bytes else { return rule.unknown() };
    let advice = Remedy::Advice("free space, or choose another --data".to_owned());
    rule.judged(gib(bytes), bytes >= FREE_BYTES_WANTED, Severity::Warning, advice)
}

fn no_device(facts: &DiskFacts) -> Finding {
    let rule = Rule {
        what: "block device",
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
        what: "block scheduler",
        wanted: "none",
        says: "rpk, perftune",
        why: "The broker orders its own requests, and the device has queues enough; a scheduler adds time to each.",
    };
    let Some(current) = &device.scheduler else { return rule.unknown() };
    let offers_none = device.schedulers_available.iter().any(|name| name == "none");
    let remedy = match offers_none {
        true => Remedy::Command(format!("echo none > /sys/block/{}/queue/scheduler", device.name)),
        false => Remedy::Advice("the kernel offers no other for this device".to_owned()),
    };
    let current = format!("{current} on {}", device.name);
    rule.judged(current, device.scheduler.as_deref() == Some("none"), Severity::Warning, remedy)
}

fn merges(device: &BlockDevice) -> Finding {
    let rule = Rule {
        what: "block nomerges",
        wanted: "2",
        says: "rpk, perftune",
        why: "Looking for neighbours to merge costs CPU and finds none: requests are large already.",
    };
    let Some(value) = device.nomerges else { return rule.unknown() };
    let command = format!("echo 2 > /sys/block/{}/queue/nomerges", device.name);
    rule.judged(format!("{value} on {}", device.name), value == 2, Severity::Warning, Remedy::Command(command))
}

fn write_cache(device: &BlockDevice) -> Finding {
    let rule = Rule {
        what: "disk write cache",
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
        what: "disk kind",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Mount;

    fn facts(options: &str, device: BlockDevice) -> DiskFacts {
        let options = options.split(',').map(str::to_owned).collect();
        let mount = Mount { file_system: "ext4".to_owned(), point: "/it's".into(), options, ..Default::default() };
        DiskFacts { mount: Some(mount), device: Some(device), ..Default::default() }
    }

    fn judged(facts: &DiskFacts, what: &str) -> Finding {
        findings(facts).into_iter().find(|finding| finding.what == what).expect("a finding")
    }

    #[test]
    fn a_device_without_the_scheduler_none_gets_no_command() {
        let device = |available: &[&str]| BlockDevice {
            name: "vda".to_owned(),
            scheduler: Some("mq-deadline".to_owned()),
            schedulers_available: available.iter().map(|&name| name.to_owned()).collect(),
            ..Default::default()
        };
        let remedy = |available| judged(&facts("rw", device(available)), "block scheduler").remedy;
        assert_eq!(
            remedy(&["none", "bfq"]),
            Some(Remedy::Command("echo none > /sys/block/vda/queue/scheduler".to_owned()))
        );
        assert!(matches!(remedy(&["bfq"]), Some(Remedy::Advice(_))));
    }

    #[test]
    fn a_rotating_disk_is_never_more_than_information() {
        let device = BlockDevice { name: "vda".to_owned(), rotational: Some(true), ..Default::default() };
        assert_eq!(judged(&facts("rw", device), "disk kind").severity, Severity::Info);
    }

    #[test]
    fn a_mount_point_reaches_the_shell_as_one_word() {
        let finding = judged(&facts("rw,relatime", BlockDevice::default()), "mount option noatime");
        assert_eq!(finding.current, "relatime");
        let Some(Remedy::Command(command)) = finding.remedy else { panic!("no command") };
        assert!(command.starts_with(r"mount -o remount,noatime '/it'\''s'"), "{command}");
        assert_eq!(judged(&facts("rw,noatime", BlockDevice::default()), "mount option noatime").severity, Severity::Ok);
    }
}
