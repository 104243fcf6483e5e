//! What `tuning` finds ends in a file that `ringmain serve --config` takes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::binary::{built, ringmain, target_dir};
use tests::process::{ask_to_stop, die_with_parent};

/// A directory on a disk, which is removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn make() -> Directory {
        let path = target_dir().join("tests-data").join(format!("tuning-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed stays in the target directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_broker_starts_with_what_calibration_and_sweep_have_found() {
    let (tuning, loadgen) = (built("tuning", "tuning"), built("loadgen", "loadgen"));
    let directory = Directory::make();
    let run = |words: &[&str]| {
        let mut command = Command::new(&tuning);
        let output = command.args(words).current_dir(&directory.0).output().expect("tuning starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
        String::from_utf8(output.stdout).expect("text")
    };
    run(&["calibrate", "--quick", "--data", ".", "--config", "ringmain.toml", "--even-if-busy"]);
    let programs = ["--ringmain", text(ringmain()), "--loadgen", text(&loadgen)];
    let printed = run(&[&["sweep", "--quick"][..], &programs].concat());
    assert!(printed.contains("shards on 0, clients on same") && printed.contains("cores = ["), "{printed}");
    let config = fs::read_to_string(directory.0.join("ringmain.toml")).expect("the file of both");
    assert!(config.contains("\"journal.group.kib\" = ") && config.contains("\"cores\" = ["), "{config}");
    let mut left: Vec<_> =
        fs::read_dir(&directory.0).expect("readable").flatten().map(|entry| entry.file_name()).collect();
    left.sort();
    assert_eq!(left, ["calibration.toml", "ringmain.toml"]);
    let shards = config.lines().find(|line| line.starts_with("\"cores\"")).expect("a line").matches(',').count() + 1;
    assert!(first_line(&directory.0).contains(&format!(" shards={shards} ")), "{config}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of this workspace")
}

/// What a broker says that is configured by the file alone.
fn first_line(directory: &Path) -> String {
    let mut command = Command::new(ringmain());
    command.args(["serve", "--config", "ringmain.toml", "--listen", "127.0.0.1:0"]);
    command.current_dir(directory).stdout(Stdio::piped());
    die_with_parent(&mut command);
    let mut child = command.spawn().expect("ringmain starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    ask_to_stop(&child);
    assert!(child.wait().expect("a child").success());
    line
}
