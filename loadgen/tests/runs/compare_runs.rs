//! Two runs are made, kept and compared: the page is whole and needs nothing but itself, and logs add up to the records.

use std::path::Path;
use std::process::{Command, Output};

use crate::broker_in_memory::{Broker, Temper};

const LOADGEN: &str = env!("CARGO_BIN_EXE_loadgen");

fn loadgen(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(LOADGEN).current_dir(directory).args(arguments).output().expect("loadgen starts")
}

/// Makes a run of so many records a second for one second and keeps it under a name.
fn keep_run(directory: &Path, name: &str, rate: &str, mode: &str) {
    let broker = Broker::start(Temper::default());
    let address = broker.address.to_string();
    let shape = [mode, "--bootstrap", &address, "--partitions", "4", "--size", "100", "--producers", "2"];
    let pace = ["--rate", rate, "--duration", "1", "--warm-up", "0", "--save", name];
    let output = loadgen(directory, &[&shape[..], &pace[..]].concat());
    // On a busy machine the generator may call itself late; the records are counted all the same.
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("errors      none"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_comparison_is_a_table_and_one_page_that_needs_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    keep_run(directory.path(), "before", "2000", "e2e");
    keep_run(directory.path(), "after", "1000", "e2e");
    let output = loadgen(directory.path(), &["compare", "before", "now <&> 'then'=after.hgrm", "--html", "page.html"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let row = |name: &str| -> Vec<String> {
        let line = table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {table}"));
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(row("records counted")[2..], ["2000", "1000", "0.50"]);
    assert_eq!(row("p99 ").len(), 6, "{table}");
    assert!(table.contains("not the same: rate_records_per_s: 2000, 1000"), "{table}");

    let page = std::fs::read_to_string(directory.path().join("page.html")).unwrap();
    let parsed = roxmltree::Document::parse_with_options(
        &page,
        roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() },
    );
    let document = parsed.unwrap_or_else(|error| panic!("{error}\n{page}"));
    let count = |name: &str| document.descendants().filter(|node| node.has_tag_name(name)).count();
    assert_eq!((count("svg"), count("h1"), count("script"), count("link"), count("img")), (3, 1, 0, 0, 0));
    assert!(count("path") >= 2 + 4 + 2, "a line for each run and kind");
    for word in ["://", "url(", "@import", "src=", "href="] {
        assert!(!page.contains(word), "{word} would load something");
    }
    let numbers_are_finite = !page.contains("NaN") && !page.contains("inf");
    assert!(numbers_are_finite, "{page}");
}

#[test]
fn logs_of_two_generators_add_up_to_all_records() {
    let directory = tempfile::tempdir().unwrap();
    keep_run(directory.path(), "one", "2000", "produce");
    keep_run(directory.path(), "two", "3000", "produce");
    let output = loadgen(directory.path(), &["compare", "one", "both=one+two", "--of", "service"]);
    let table = String::from_utf8(output.stdout).unwrap();
    let line = table.lines().find(|line| line.starts_with("records counted")).unwrap_or_else(|| panic!("{table}"));
    assert_eq!(line.split_whitespace().collect::<Vec<_>>()[2..], ["2000", "5000", "2.50"]);
    assert!(directory.path().join("compare.html").exists());
}

#[test]
fn what_cannot_be_compared_is_one_sentence() {
    let directory = tempfile::tempdir().unwrap();
    keep_run(directory.path(), "one", "1000", "produce");
    for (arguments, sentence) in [
        (&["compare", "one", "nothing"][..], "there is no nothing.hlog and no nothing.hgrm"),
        (&["compare", "one", "one", "--of", "e2e"][..], "one: its log has no latency from end to end"),
    ] {
        let output = loadgen(directory.path(), arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(sentence) && said.lines().count() == 1, "{said}");
    }
}
