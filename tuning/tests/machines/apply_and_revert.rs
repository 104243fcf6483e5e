//! A tree that was changed and changed back is the same, byte for byte, whatever happened in between.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::{MACHINES, tests_dir, text, tuning};

const DATA: [&str; 2] = ["--data", "/var/lib/ringmain"];

/// A copy of a machine's tree that may be changed.
fn copy_of(machine: &str) -> TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    for (path, content) in content_of(&tests_dir().join("trees").join(machine)) {
        let path = copy.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        match content {
            Content::Text(text) => fs::write(path, text).expect("a file"),
            Content::Link(target) => symlink(target, path).expect("a link"),
        }
    }
    fs::create_dir_all(copy.path().join("run")).expect("a directory for the state");
    copy
}

#[derive(Debug, PartialEq, Eq)]
enum Content {
    Text(Vec<u8>),
    Link(PathBuf),
}

/// All files below a directory.
fn content_of(tree: &Path) -> BTreeMap<PathBuf, Content> {
    let mut content = BTreeMap::new();
    let mut open = vec![tree.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).expect("readable") {
            let path = entry.expect("readable").path();
            let name = path.strip_prefix(tree).expect("below").to_owned();
            if let Ok(target) = fs::read_link(&path) {
                content.insert(name, Content::Link(target));
            } else if path.is_dir() {
                open.push(path);
            } else {
                content.insert(name, Content::Text(fs::read(&path).expect("readable")));
            }
        }
    }
    content
}

fn run(words: &[&str], tree: &TempDir, code: i32) -> String {
    let output = tuning(words, tree.path());
    let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{words:?}: {all}");
    all
}

fn apply(tree: &TempDir, code: i32) -> String {
    run(&[&["apply"][..], &DATA].concat(), tree, code)
}

#[test]
fn after_apply_and_revert_every_machine_is_as_it_was() {
    for machine in MACHINES {
        let tree = copy_of(machine);
        let before = content_of(tree.path());
        apply(&tree, 0);
        assert_ne!(content_of(tree.path()), before, "{machine}");
        run(&["revert"], &tree, 0);
        assert_eq!(content_of(tree.path()), before, "{machine}");
    }
}

#[test]
fn what_was_applied_is_found_well_and_not_written_again() {
    for machine in MACHINES {
        let tree = copy_of(machine);
        apply(&tree, 0);
        let after = content_of(tree.path());
        let plan = run(&[&["plan"][..], &DATA].concat(), &tree, 0);
        let lines: Vec<&str> = plan.lines().filter(|line| line.starts_with("echo")).collect();
        assert!(lines.iter().all(|line| line.contains("smp_affinity_list")), "{machine}: {lines:?}");
        if lines.is_empty() {
            assert_eq!(apply(&tree, 0), "nothing to change\n");
            assert_eq!(content_of(tree.path()), after);
        }
    }
}

#[test]
fn a_second_apply_does_not_forget_what_was_there_before_the_first() {
    let tree = copy_of("bare-metal");
    let before = content_of(tree.path());
    apply(&tree, 0);
    // Somebody else sets it back to a third value, and the second apply changes that.
    fs::write(tree.path().join("proc/sys/vm/swappiness"), "30\n").expect("writable");
    apply(&tree, 0);
    run(&["revert"], &tree, 0);
    assert_eq!(content_of(tree.path()), before);
}

#[test]
fn an_apply_that_fails_in_part_says_so_and_can_be_reverted() {
    let tree = copy_of("cloud-vm");
    // A number that even root cannot write.
    let file = tree.path().join("proc/sys/vm/swappiness");
    fs::remove_file(&file).expect("removable");
    symlink("/proc/sys/kernel/random/entropy_avail", &file).expect("a link");
    let before = content_of(tree.path());
    let said = apply(&tree, 3);
    assert!(said.contains("failed: echo 1 > /proc/sys/vm/swappiness"), "{said}");
    assert!(said.contains("echo none > /sys/block/nvme1n1/queue/scheduler"), "{said}");
    run(&["revert"], &tree, 0);
    assert_eq!(content_of(tree.path()), before);
}

#[test]
fn what_cannot_be_put_back_stays_in_the_state_for_another_try() {
    let tree = copy_of("cloud-vm");
    let before = content_of(tree.path());
    apply(&tree, 0);
    let (file, aside) = (tree.path().join("proc/sys/vm/swappiness"), tree.path().join("aside"));
    fs::rename(&file, &aside).expect("a file");
    run(&["revert"], &tree, 3);
    fs::rename(&aside, &file).expect("a file");
    run(&["revert"], &tree, 0);
    assert_eq!(content_of(tree.path()), before);
}

#[test]
fn without_a_state_there_is_nothing_to_revert() {
    let tree = copy_of("cloud-vm");
    let before = content_of(tree.path());
    let said = run(&["revert"], &tree, 3);
    assert!(said.starts_with("tuning: nothing to revert: there is no state file"), "{said}");
    assert_eq!(said.lines().count(), 1);
    assert_eq!(content_of(tree.path()), before);
}

#[test]
fn a_dry_run_names_what_apply_does_and_writes_nothing() {
    let tree = copy_of("firecracker");
    let before = content_of(tree.path());
    let said = run(&[&["apply", "--dry-run"][..], &DATA].concat(), &tree, 0);
    assert_eq!(content_of(tree.path()), before);
    let would: Vec<&str> = said.lines().map(|line| line.strip_prefix("would run: ").expect("a line")).collect();
    assert_eq!(apply(&tree, 0).lines().collect::<Vec<_>>(), would);
}

#[test]
fn only_the_tuners_that_are_named_are_applied() {
    let tree = copy_of("firecracker");
    let said = run(&[&["apply", "--only", "disk-scheduler"][..], &DATA].concat(), &tree, 0);
    assert_eq!(said, "echo none > /sys/block/vda/queue/scheduler\n");
    let scheduler = fs::read_to_string(tree.path().join("sys/block/vda/queue/scheduler")).expect("readable");
    assert!(scheduler.starts_with("[none] mq-deadline"), "{scheduler}");
    assert!(run(&["apply", "--only", "nosuch"], &tree, 3).contains("no tuner is called nosuch"));
}

#[test]
fn without_root_nothing_is_changed_and_one_sentence_says_why() {
    const NOBODY: u32 = 65_534;
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    let program = directory.path().join("tuning");
    fs::copy(env!("CARGO_BIN_EXE_tuning"), &program).expect("a copy that anybody may run");
    for word in ["apply", "revert"] {
        let mut command = Command::new(&program);
        command.arg(word).current_dir(directory.path());
        // The tests may run as somebody who cannot become somebody else, and need not.
        if fs::metadata(directory.path()).expect("readable").uid() == 0 {
            command.uid(NOBODY);
        }
        let output = command.output().expect("the program starts");
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(
            text(&output.stderr),
            "tuning: only root can change this machine: run it with sudo, or with --root on a copy\n"
        );
    }
}
