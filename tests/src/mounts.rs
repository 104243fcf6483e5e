//! File systems made and mounted for a test, and the programs that do it.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A kind of file system that data directories live on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// The fourth extended file system.
    Ext4,
    /// XFS.
    Xfs,
}

impl FileSystem {
    /// Its name, as the kernel and `mkfs` know it.
    pub fn name(self) -> &'static str {
        match self {
            FileSystem::Ext4 => "ext4",
            FileSystem::Xfs => "xfs",
        }
    }

    /// What it needs a disk to write whole or not at all. ext4 writes its blocks from its journal once more after a power cut, whatever
    /// became of them. XFS leaves alone a block whose first sector was written since, so that one of 4 KiB that tore at 512 bytes stays
    /// torn, and the mount fails ("Metadata CRC error"): it has to be made for sectors as large as its blocks.
    pub fn sector_bytes(self) -> u64 {
        match self {
            FileSystem::Ext4 => 512,
            FileSystem::Xfs => 4096,
        }
    }

    /// An error says why no such file system can be made and mounted here.
    pub fn is_possible(self) -> Result<(), String> {
        // SAFETY: geteuid takes nothing and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            return Err("mounting a file system needs root".to_owned());
        }
        let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        if !known.split_whitespace().any(|name| name == self.name()) {
            return Err(format!("the kernel does not know {}", self.name()));
        }
        run(Command::new(format!("mkfs.{}", self.name())).arg("-V"))
    }

    /// Makes an empty one on a device or in a file.
    pub fn make(self, on: impl AsRef<Path>) -> Result<(), String> {
        let arguments: &[&str] = match self {
            // No blocks for root alone: full is to mean full for a broker that runs as root as well. Nothing is left to be
            // written in the background: a disk keeps what it was told to.
            FileSystem::Ext4 => &["-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
            FileSystem::Xfs => &["-q", "-f", "-s", "size=4096"],
        };
        run(Command::new(format!("mkfs.{}", self.name())).args(arguments).arg(on.as_ref()))
    }

    /// What `mount` is to be told beside the device and the directory.
    pub fn mount_arguments(self) -> &'static [&'static str] {
        match self {
            FileSystem::Ext4 => &["-t", "ext4"],
            // A file system that was mounted before the power cut may not be quite gone yet, and has the same id.
            FileSystem::Xfs => &["-t", "xfs", "-o", "nouuid"],
        }
    }
}

/// Runs a program to its end; an error has what it said.
pub fn run(command: &mut Command) -> Result<(), String> {
    run_for_output(command).map(|_| ())
}

/// Runs a program to its end and gives its output; an error has what it said.
pub fn run_for_output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    output.status.success().then(|| text(&output.stdout)).ok_or(format!("{command:?}: {}", text(&output.stderr)))
}

/// Whether something is mounted at a path.
pub fn is_mounted(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(1).is_some_and(|at| Path::new(at) == path))
}
