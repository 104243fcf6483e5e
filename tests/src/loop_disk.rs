//! A small file system of its own, for tests that fill one: in a file below `target/`, mounted through a loop device.

use crate::binary;
use crate::mounts::{FileSystem, is_mounted, run};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;

/// A mounted file system; dropping it, also on a panic, unmounts it and lets the loop device go.
#[derive(Debug)]
pub struct LoopDisk {
    dir: PathBuf,
}

impl LoopDisk {
    /// Makes and mounts one. An error says what this machine lacks for it: root, loop devices, the program that makes it.
    pub fn mount(name: &str, file_system: FileSystem, mib: u64) -> Result<LoopDisk, String> {
        file_system.is_possible()?;
        let dir = binary::target_dir().join("tests-data").join(format!("{name}-disk-{}", std::process::id()));
        fs::create_dir_all(dir.join("mounted")).map_err(|error| error.to_string())?;
        // From here on dropping it clears up, however far the rest gets.
        let disk = LoopDisk { dir };
        let image = File::create(disk.image()).map_err(|error| error.to_string())?;
        image.set_len(mib << 20).map_err(|error| error.to_string())?;
        file_system.make(disk.image())?;
        run(Command::new("mount").args(["-o", "loop"]).arg(disk.image()).arg(disk.path()))?;
        Ok(disk)
    }

    /// The root of the file system.
    pub fn path(&self) -> PathBuf {
        self.dir.join("mounted")
    }

    fn image(&self) -> PathBuf {
        self.dir.join("image")
    }

    /// Takes the filler away again.
    pub fn clear(&self) {
        fs::remove_file(self.filler()).expect("the disk was filled");
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Fills every block that is left with a file of nobody's, which grows with every call.
    pub fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.filler()).expect("a file has a name");
        for block in [1 << 20, 64 << 10, 4096] {
            let block = vec![0xa5; block];
            while write_synced(&mut file, &block).is_ok() {}
        }
    }
}

fn write_synced(file: &mut File, block: &[u8]) -> io::Result<()> {
    file.write_all(block)?;
    // Blocks are given out when the data leaves the page cache.
    file.sync_data()
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        let path = self.path();
        // The rings of a process that was killed may let go of their files a moment after it; then the kernel unmounts it later.
        if is_mounted(&path)
            && run(Command::new("umount").arg(&path)).is_err()
            && let Err(error) = run(Command::new("umount").arg("--lazy").arg(&path))
        {
            eprintln!("{} stays mounted: {error}", path.display());
            return;
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
