//! The parts that measure: they end, say what they found, and leave nothing behind but their files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn tuning(words: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tuning")).args(words).current_dir(directory).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the program prints text")
}

/// Where direct I/O works; temporary directories often lie in memory.
fn disk() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("readable").flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn calibration_leaves_its_file_and_the_brokers_settings_and_nothing_else() {
    let directory = disk();
    fs::write(directory.path().join("ringmain.toml"), "listen = '127.0.0.1:9092'\n").expect("writable");
    let words = ["calibrate", "--quick", "--data", ".", "--config", "ringmain.toml", "--even-if-busy"];
    let output = tuning(&words, directory.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(names(directory.path()), ["calibration.toml", "ringmain.toml"]);
    let settings = fs::read_to_string(directory.path().join("ringmain.toml")).expect("readable");
    let settings: toml::Table = toml::from_str(&settings).expect("TOML");
    assert_eq!(settings["listen"].as_str(), Some("127.0.0.1:9092"));
    let group_kib = settings["journal.group.kib"].as_integer().expect("a number");
    assert!((16..=4096).contains(&group_kib) && group_kib % 4 == 0, "{group_kib}");
    let printed = text(&output.stdout);
    for load in ["sequential write", "random read", "durable, O_DSYNC, preallocated, 8 files", "group, zero-written"] {
        assert!(printed.contains(load), "{load}: {printed}");
    }
}

#[test]
fn a_second_calibration_compares_itself_with_the_first() {
    let directory = disk();
    let words = ["calibrate", "--quick", "--data", "."];
    assert_eq!(tuning(&words, directory.path()).status.code(), Some(0));
    // A disk that was a thousand times faster.
    let file = directory.path().join("calibration.toml");
    let mut before: toml::Table = toml::from_str(&fs::read_to_string(&file).expect("readable")).expect("TOML");
    for point in before["points"].as_array_mut().expect("points") {
        for key in ["operations_per_s", "operations_per_s_min", "operations_per_s_max"] {
            point[key] = toml::Value::Float(point[key].as_float().expect("a number") * 1000.0);
        }
    }
    fs::write(&file, toml::to_string(&before).expect("TOML")).expect("writable");
    let output = tuning(&words, directory.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("drift: sequential write, 128 KiB, depth 1:"), "{}", text(&output.stdout));
}

#[test]
fn a_tuner_is_measured_in_percent_and_put_back() {
    let directory = disk();
    let swappiness = directory.path().join("tree/proc/sys/vm/swappiness");
    fs::create_dir_all(swappiness.parent().expect("a parent")).expect("directories");
    fs::create_dir(directory.path().join("tree/run")).expect("a directory");
    fs::write(&swappiness, "60\n").expect("writable");
    let words = ["--root", "tree", "--data", ".", "--rounds", "2", "--seconds", "0.1"];
    let output = tuning(&[&["measure", "swappiness"][..], &words].concat(), directory.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("swappiness  without"), "{}", text(&output.stdout));
    assert!(text(&output.stdout).matches(" %").count() >= 6, "{}", text(&output.stdout));
    assert_eq!(fs::read_to_string(&swappiness).expect("readable"), "60\n");
    assert_eq!(names(directory.path()), ["tree"]);
    assert!(names(&directory.path().join("tree/run")).is_empty());
    let output = tuning(&[&["measure", "somaxconn"][..], &words].concat(), directory.path());
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("somaxconn has nothing to change here"), "{}", text(&output.stderr));
}

#[test]
fn an_interrupted_measurement_puts_the_setting_back() {
    let directory = disk();
    let swappiness = directory.path().join("tree/proc/sys/vm/swappiness");
    fs::create_dir_all(swappiness.parent().expect("a parent")).expect("directories");
    fs::create_dir(directory.path().join("tree/run")).expect("a directory");
    fs::write(&swappiness, "60\n").expect("writable");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tuning"))
        .args(["measure", "swappiness", "--root", "tree", "--data", ".", "--rounds", "100", "--seconds", "0.3"])
        .current_dir(directory.path())
        .spawn()
        .expect("the program starts");
    while fs::read_to_string(&swappiness).expect("readable") != "1\n" {
        assert!(child.try_wait().expect("a child").is_none(), "it has ended early");
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    assert_eq!(child.wait().expect("a child").code(), Some(3));
    assert_eq!(fs::read_to_string(&swappiness).expect("readable"), "60\n");
    assert_eq!(names(directory.path()), ["tree"]);
}

#[test]
fn a_sweep_without_its_programs_says_which_one_is_missing() {
    let directory = disk();
    let output = tuning(&["sweep", "--ringmain", "no-such-program", "--loadgen", "neither"], directory.path());
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).starts_with("tuning: no-such-program:"), "{}", text(&output.stderr));
    assert!(names(directory.path()).is_empty());
}
