//! Whole reports are compared with those in `tests/reports`; RINGMAIN_REPORTS=write writes them anew.

use std::fs;

use crate::{MACHINES, tests_dir, text, tuning};

fn compare_report(name: &str, printed: &str) {
    let path = tests_dir().join("reports").join(name);
    if std::env::var_os("RINGMAIN_REPORTS").is_some() {
        fs::write(&path, printed).expect("writable");
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(wanted == printed, "{} differs; the program prints\n{printed}", path.display());
}

#[test]
fn every_machine_gets_the_report_that_was_agreed_on() {
    for machine in MACHINES {
        let tree = tests_dir().join("trees").join(machine);
        let data = ["--data", "/var/lib/ringmain"];
        for (words, ending) in [(&["check"][..], "txt"), (&["check", "--json"], "json"), (&["plan"], "sh")] {
            let output = tuning(&[words, &data].concat(), &tree);
            compare_report(&format!("{machine}.{ending}"), text(&output.stdout));
        }
    }
}

#[test]
fn the_exit_code_tells_the_worst_finding_and_a_typing_error_is_no_verdict() {
    let code = |words: &[&str], machine: &str| tuning(words, &tests_dir().join("trees").join(machine)).status.code();
    let data = ["--data", "/var/lib/ringmain"];
    assert_eq!(code(&[&["check"][..], &data].concat(), "bare-metal"), Some(1));
    assert_eq!(code(&[&["check"][..], &data].concat(), "cloud-vm"), Some(2));
    assert_eq!(code(&[&["plan"][..], &data].concat(), "cloud-vm"), Some(0));
    assert_eq!(code(&["chekc"], "cloud-vm"), Some(64));
}

#[test]
fn a_machine_that_shows_nothing_gives_a_report_without_warnings() {
    let empty = tempfile::tempdir().expect("a directory");
    let output = tuning(&["check"], empty.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}
