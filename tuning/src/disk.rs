//! Reads what the data directory lies on. SHELL: it makes one small file there and removes it.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::aligned::{BLOCK_BYTES, Block};
use crate::interrupts::{self, Interrupt};
use crate::root::{self, Root};

/// A mounted file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    pub point: PathBuf,
    pub file_system: String,
    pub source: String,
    /// Of the mount and of the file system.
    pub options: Vec<String>,
    /// `major:minor`
    pub device: String,
}

/// A whole block device, also where the mount is on a part of it.
#[derive(Clone, Debug, Default)]
pub struct BlockDevice {
    /// As below `/sys/block`.
    pub name: String,
    pub scheduler: Option<String>,
    pub schedulers_available: Vec<String>,
    pub nomerges: Option<u64>,
    pub write_cache: Option<String>,
    pub has_fua: Option<bool>,
    pub rotational: Option<bool>,
    pub numa_node: Option<i64>,
    pub interrupts: Vec<Interrupt>,
}

#[derive(Clone, Debug, Default)]
pub struct DiskFacts {
    /// The data directory, or what exists of the way to it.
    pub directory: PathBuf,
    pub mount: Option<Mount>,
    /// What a direct write to a new file gave; none if it was not tried, on a captured tree.
    pub direct_io: Option<Result<(), String>>,
    pub free_bytes: Option<u64>,
    /// None for file systems without one, such as tmpfs or overlay.
    pub device: Option<BlockDevice>,
}

/// Reads all of it for `data_dir`, which need not exist yet.
pub fn read(root: &Root, data_dir: &Path) -> DiskFacts {
    let directory = if root.is_live() { existing_part(data_dir) } else { data_dir.to_path_buf() };
    let mount = root.text("/proc/self/mountinfo").and_then(|text| mount_of(&text, &directory));
    DiskFacts {
        direct_io: root.is_live().then(|| write_directly(&directory).map_err(|error| error.to_string())),
        free_bytes: root.is_live().then(|| free_bytes(&directory)).flatten(),
        device: mount.as_ref().and_then(|mount| block_device(root, mount)),
        mount,
        directory,
    }
}

fn existing_part(data_dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_path_buf());
    let existing = absolute.ancestors().find_map(|path| path.canonicalize().ok().filter(|path| path.is_dir()));
    existing.unwrap_or_else(|| PathBuf::from("/"))
}

/// The innermost mount above `directory`; of equals the last, which covers the others. See proc_pid_mountinfo(5).
fn mount_of(mountinfo: &str, directory: &Path) -> Option<Mount> {
    let parse = |line: &str| -> Option<Mount> {
        let (left, right) = line.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let mut right = right.split(' ');
        Some(Mount {
            device: (*left.get(2)?).to_owned(),
            point: PathBuf::from(left.get(4)?.replace("\\040", " ")),
            file_system: right.next()?.to_owned(),
            source: right.next()?.to_owned(),
            options: left.get(5)?.split(',').chain(right.next().unwrap_or("").split(',')).map(str::to_owned).collect(),
        })
    };
    let above = mountinfo.lines().filter_map(parse).filter(|mount| directory.starts_with(&mount.point));
    above.max_by_key(|mount| mount.point.components().count())
}

fn block_device(root: &Root, mount: &Mount) -> Option<BlockDevice> {
    let link = format!("/sys/dev/block/{}", mount.device);
    let (outer, inner) = root.link_parent_and_name(&link)?;
    // A partition's directory lies in its disk's.
    let name = if root.exists(&format!("/sys/block/{inner}")) { inner } else { outer };
    let queue = |file: &str| root.text(&format!("/sys/block/{name}/queue/{file}"));
    let scheduler = queue("scheduler");
    let controller = root.link_name(&format!("/sys/block/{name}/device"));
    Some(BlockDevice {
        scheduler: scheduler.as_deref().and_then(root::chosen).map(str::to_owned),
        schedulers_available: scheduler.as_deref().map_or_else(Vec::new, root::choices),
        nomerges: queue("nomerges").and_then(|text| text.parse().ok()),
        write_cache: queue("write_cache"),
        has_fua: queue("fua").map(|text| text == "1"),
        rotational: queue("rotational").map(|text| text == "1"),
        numa_node: controller.as_ref().and_then(|name| root.number(&format!("/sys/class/nvme/{name}/numa_node"))),
        interrupts: controller.map_or_else(Vec::new, |name| interrupts::of_device(root, &[&name])),
        name,
    })
}

/// Some file systems take the flag and fail the write, so one block is written.
fn write_directly(directory: &Path) -> io::Result<()> {
    let path = directory.join(format!(".direct-io-{}", std::process::id()));
    let file = OpenOptions::new().write(true).create_new(true).custom_flags(libc::O_DIRECT).open(&path);
    // A file system that refuses the flag may have made the file all the same.
    let written = file.and_then(|file| file.write_all_at(&Block([0; BLOCK_BYTES]).0, 0));
    let removed = fs::remove_file(&path);
    written.and(removed)
}

fn free_bytes(directory: &Path) -> Option<u64> {
    let stats = rustix::fs::statvfs(directory).ok()?;
    Some(stats.f_bavail * stats.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n\
                          30 27 259:1 / /data rw,noatime shared:7 - xfs /dev/nvme0n1p1 rw\n\
                          31 27 0:9 / /data\\040two rw - tmpfs none rw";

    #[test]
    fn the_innermost_mount_above_the_directory_is_found() {
        let found = |directory: &str| mount_of(MOUNTS, Path::new(directory)).expect("a mount");
        assert_eq!(found("/data/broker").device, "259:1");
        assert_eq!(found("/database").device, "254:0");
        assert_eq!(found("/data two/x").file_system, "tmpfs");
        assert!(found("/data").options.contains(&"noatime".to_owned()));
        assert_eq!(mount_of("", Path::new("/")), None);
    }

    #[test]
    fn a_partition_leads_to_its_disk_in_a_captured_tree() {
        let tree = tempfile::tempdir().expect("a directory");
        let make = |path: &str, text: &str| {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            fs::write(path, text).expect("a file");
        };
        make("proc/self/mountinfo", MOUNTS);
        make("sys/block/nvme0n1/queue/scheduler", "[none] mq-deadline\n");
        make("sys/block/nvme0n1/queue/nomerges", "2\n");
        make("sys/block/nvme0n1/queue/write_cache", "write back\n");
        make("sys/dev/block/ignored", "");
        let link = tree.path().join("sys/dev/block/259:1");
        std::os::unix::fs::symlink("../../devices/pci/nvme/nvme0/nvme0n1/nvme0n1p1", link).expect("a link");
        let facts = read(&Root::new(tree.path()), Path::new("/data/broker"));
        let device = facts.device.expect("a device");
        assert_eq!(
            (device.name.as_str(), device.scheduler.as_deref(), device.nomerges),
            ("nvme0n1", Some("none"), Some(2))
        );
        assert!(facts.direct_io.is_none() && facts.free_bytes.is_none());
    }

    #[test]
    fn nothing_is_left_behind_by_the_trial_write() {
        let directory = tempfile::tempdir().expect("a directory");
        // Whether direct I/O works depends on where temporary files lie; the file must be gone either way.
        let _ = write_directly(directory.path());
        assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 0);
    }
}
