//! A disk whose power a test can cut, whose syncs can lie or fail, and whose writes can take their time; with a real file system on it.
//!
//! ```text
//!   ringmain -> ext4 or XFS -> loop device -> FUSE file in a process of its own -> cache -> two sparse files: live and durable
//! ```
//! The loop device turns what the file system orders (write, flush of the device's cache) into writes and fsyncs of the FUSE file. An
//! fsync alone moves the cache to the durable image. A cut lets each write in the cache be kept, dropped or torn, makes every later
//! request of those who have the disk open fail, and shows the durable image to those who open it after power is back.

pub mod medium;
pub mod orders;
pub mod served;

use crate::clock::{Stopwatch, pause};
use crate::mounts::{FileSystem, is_mounted, run, run_for_output};
use crate::{binary, process};
use medium::{CutReport, Fate};
use orders::Order;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A process that was killed may keep its files for a moment: its rings end with what is under way.
const UNMOUNTED_WITHIN: Duration = Duration::from_secs(20);

/// The disk, with a mounted file system. Dropping it, also on a panic, takes all of it down again.
pub struct PowerDisk {
    dir: PathBuf,
    file_system: FileSystem,
    loop_device: Option<String>,
    served: Option<Mutex<Served>>,
}

struct Served {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PowerDisk {
    /// Makes a disk of so many MiB with an empty file system, and mounts it. An error says what this machine lacks for it. `program` is
    /// the `power_disk` binary of this package.
    pub fn mount(program: &str, name: &str, file_system: FileSystem, mib: u64) -> Result<PowerDisk, String> {
        file_system.is_possible()?;
        if fs::File::options().read(true).write(true).open("/dev/fuse").is_err() {
            return Err("/dev/fuse cannot be opened".to_owned());
        }
        let unique = format!("{name}-{}-power-{}", file_system.name(), std::process::id());
        let dir = binary::target_dir().join("tests-data").join(unique);
        for part in ["content", "fuse", "mounted"] {
            fs::create_dir_all(dir.join(part)).map_err(|error| error.to_string())?;
        }
        // From here on dropping it clears up, however far the rest gets.
        let mut disk = PowerDisk { dir, file_system, loop_device: None, served: None };
        let served = Served::start(program, &disk, mib << 20)?;
        disk.served = Some(Mutex::new(served));
        disk.attach()?;
        file_system.make(disk.loop_device.as_deref().expect("attached"))?;
        disk.mount_again()?;
        Ok(disk)
    }

    /// The root of the file system.
    pub fn path(&self) -> PathBuf {
        self.dir.join("mounted")
    }

    /// Cuts the power. Everything that is under way or still comes fails, until [`PowerDisk::restore`].
    pub fn cut(&self, fate: Fate, seed: u64) -> CutReport {
        let answer = self.order(Order::Cut(fate, seed));
        orders::report_from_line(&answer).unwrap_or_else(|| panic!("the disk answered a cut with `{answer}`"))
    }

    /// Gives an order and returns the answer.
    pub fn order(&self, order: Order) -> String {
        let served = self.served.as_ref().expect("the disk is served");
        let mut served = served.lock().unwrap_or_else(PoisonError::into_inner);
        served.order(order).unwrap_or_else(|error| panic!("{order:?}: {error}"))
    }

    /// Power is back, every fault is gone, and the file system is mounted again; it replays its own journal now. Whoever used it must be
    /// gone. Panics if the file system cannot be mounted.
    pub fn restore(&mut self) {
        self.take_down();
        self.order(Order::PowerOn);
        self.attach().unwrap_or_else(|error| panic!("after a cut: {error}"));
        self.mount_again().unwrap_or_else(|error| panic!("after a cut: {error}"));
    }

    fn attach(&mut self) -> Result<(), String> {
        let file = self.dir.join("fuse").join(served::FILE_NAME);
        let device = run_for_output(Command::new("losetup").args(["--find", "--show", "--direct-io=on"]).arg(file))?;
        self.loop_device = Some(device);
        Ok(())
    }

    fn mount_again(&self) -> Result<(), String> {
        let device = self.loop_device.as_deref().expect("the disk is attached");
        run(Command::new("mount").args(self.file_system.mount_arguments()).arg(device).arg(self.path()))
    }

    /// Unmounts, and lets the loop device go. A file system that is still in use is only hidden: since it opened the disk before the
    /// last cut, it never reaches it again.
    fn take_down(&mut self) {
        let path = self.path();
        let watch = Stopwatch::start();
        while is_mounted(&path) {
            let unmounted = run(Command::new("umount").arg(&path));
            if unmounted.is_err() && watch.elapsed() < UNMOUNTED_WITHIN {
                pause(Duration::from_millis(50));
            } else if let Err(error) = unmounted
                && let Err(again) = run(Command::new("umount").arg("--lazy").arg(&path))
            {
                eprintln!("{} stays mounted: {error}; {again}", path.display());
                break;
            }
        }
        if let Some(device) = self.loop_device.take()
            && let Err(error) = run(Command::new("losetup").arg("--detach").arg(&device))
        {
            eprintln!("{device} stays attached: {error}");
        }
    }
}

impl Drop for PowerDisk {
    fn drop(&mut self) {
        if self.served.is_some() {
            self.take_down();
        }
        let fuse = self.dir.join("fuse");
        if let Some(served) = self.served.take() {
            served.into_inner().unwrap_or_else(PoisonError::into_inner).end();
        }
        if is_mounted(&fuse)
            && let Err(error) = run(Command::new("umount").arg("--lazy").arg(&fuse))
        {
            eprintln!("{} stays mounted: {error}", fuse.display());
            return;
        }
        if !is_mounted(&self.path()) {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

impl Served {
    fn start(program: &str, disk: &PowerDisk, bytes: u64) -> Result<Served, String> {
        let mut command = Command::new(program);
        command.arg(disk.dir.join("content")).arg(disk.dir.join("fuse")).arg(bytes.to_string());
        command.arg(disk.file_system.sector_bytes().to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        process::die_with_parent(&mut command);
        let mut process = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let orders = process.stdin.take().expect("standard input is piped");
        let answers = BufReader::new(process.stdout.take().expect("standard output is piped"));
        let mut served = Served { process, orders, answers };
        match served.answer() {
            Ok(_) => Ok(served),
            Err(error) => {
                served.end();
                Err(format!("no FUSE file system can be mounted ({error})"))
            }
        }
    }

    fn order(&mut self, order: Order) -> std::io::Result<String> {
        writeln!(self.orders, "{}", order.to_line())?;
        self.answer()
    }

    fn answer(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line)? {
            0 => Err(std::io::Error::other("the disk's process has ended")),
            _ => Ok(line.trim().to_owned()),
        }
    }

    /// Asks the process to end by ending its input, which also unmounts.
    fn end(self) {
        let Served { mut process, orders, answers } = self;
        drop(orders);
        // Its output ends when it does.
        let _ = std::io::copy(&mut { answers }, &mut std::io::sink());
        let _ = process.wait();
    }
}
