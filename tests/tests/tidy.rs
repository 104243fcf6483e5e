//! The measurable rules of this code base. A rule that is only written down is broken within a week.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tests::binary::workspace_dir;

const FILE_LINES_MAX: usize = 700;
const FUNCTION_LINES_MAX: usize = 70;
/// Directories that hold no source of ours.
const NOT_OURS: [&str; 4] = ["target", ".git", "data", "node_modules"];
/// Words that say nothing, and the product's name, which says it everywhere.
const BANNED_NAMES: [&str; 10] =
    ["util", "utils", "helper", "helpers", "manager", "impl", "common", "misc", "v2", "ringmain"];
/// Rooms that decide and do nothing else. A `run.rs`, or a directory `run`, inside one is its shell.
const PURE_ROOMS: [&str; 13] = [
    "engine/batch/src",
    "engine/src/compaction",
    "engine/src/frame.rs",
    "engine/src/ids.rs",
    "engine/src/journal",
    "engine/src/limits.rs",
    "engine/src/log",
    "broker/wire/src",
    "broker/src/controller",
    "broker/src/group",
    "broker/src/mesh/placement.rs",
    "broker/src/partition",
    "broker/src/quota",
];
/// What a pure room must not reach for.
const IMPURE: [&str; 15] = [
    "glommio",
    "io_uring",
    "tokio",
    "libc::",
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime",
    "async fn",
    "async move",
    ".await",
    "unsafe ",
];
/// Spelled in two halves, so that this file does not break its own rules.
const BANNED_CODE: [(&str, &str); 6] = [
    ("todo", "!("),
    ("unimplemented", "!("),
    ("dbg", "!("),
    ("#[ign", "ore"),
    ("allow(dead", "_code"),
    ("expect(dead", "_code"),
];

/// A source file: its path from the workspace, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Lines with their numbers, without comments. Good enough for searching: a `//` inside a string cuts too much.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let code = |line: &'_ str| line.find("//").unwrap_or(line.len());
        self.text.lines().enumerate().map(move |(index, line)| (index + 1, &line[..code(line)]))
    }

    /// The code before the file's own tests.
    fn code_before_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code_lines().take_while(|(_, line)| !line.contains("#[cfg(test)]"))
    }

    fn file_name(&self) -> &str {
        self.path.rsplit('/').next().expect("a path has a last part")
    }

    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "benches" || part == "examples")
            || self.file_name().ends_with("tests.rs")
    }

    fn is_shell_of_its_room(&self) -> bool {
        self.file_name() == "run.rs" || self.path.contains("/run/")
    }
}

#[test]
fn files_and_functions_fit_one_head() {
    let mut broken = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            broken.push(format!("{}: {lines} lines, {FILE_LINES_MAX} are the limit", source.path));
        }
        for (number, length) in function_lengths(&source.text) {
            if length > FUNCTION_LINES_MAX {
                broken.push(format!("{}:{number}: a function of {length} lines", source.path));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn pure_rooms_reach_for_no_clock_no_runtime_and_no_device() {
    let mut broken = Vec::new();
    for source in sources() {
        let pure = PURE_ROOMS.iter().any(|room| source.path.starts_with(room));
        if !pure || source.is_shell_of_its_room() || source.is_test() {
            continue;
        }
        for (number, line) in source.code_before_tests() {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                broken.push(format!("{}:{number}: `{}` in a pure room", source.path, word.trim()));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn the_runtime_is_known_to_the_ring_and_the_run_files_only() {
    let mut broken = Vec::new();
    for source in sources() {
        if source.path.starts_with("engine/src/ring/") || source.is_shell_of_its_room() || source.is_test() {
            continue;
        }
        for (number, line) in source.code_lines() {
            if line.contains("glommio::") || line.contains("use glommio") {
                broken.push(format!("{}:{number}: glommio outside the ring and run.rs", source.path));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn batch_and_wire_forbid_unsafe_code() {
    for path in ["engine/batch/src/lib.rs", "broker/wire/src/lib.rs"] {
        let text = fs::read_to_string(workspace_dir().join(path)).expect("the package's root");
        assert!(text.contains("#![forbid(unsafe_code)]"), "{path}");
    }
}

#[test]
fn every_unsafe_says_why_it_is_sound() {
    let mut broken = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (number, line) in source.code_lines() {
            let opens = ["unsafe {", "unsafe impl", "unsafe extern"].iter().any(|word| line.contains(word));
            let declares = line.contains("unsafe fn") && !line.contains("extern \"C\" fn(");
            if source.path.ends_with("tidy.rs") || !(opens || declares) {
                continue;
            }
            let before = lines[number.saturating_sub(12)..number].join("\n");
            let explained = before.contains("SAFETY:") || (declares && before.contains("# Safety"));
            if !explained {
                broken.push(format!("{}:{number}: no `// SAFETY:` above", source.path));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn nothing_is_left_for_later_and_no_test_is_skipped_or_sleeps() {
    let mut broken = Vec::new();
    for source in sources() {
        for (number, line) in source.code_lines() {
            for (left, right) in BANNED_CODE {
                if line.contains(&format!("{left}{right}")) {
                    broken.push(format!("{}:{number}: {left}{right}", source.path));
                }
            }
            // Elsewhere clippy asks for a reason (`.clippy.toml`); end-to-end tests have none.
            if source.path.starts_with("tests/") && line.contains("thread::sleep") && !source.path.ends_with("tidy.rs")
            {
                broken.push(format!("{}:{number}: a test that sleeps", source.path));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn names_of_files_and_types_say_what_the_thing_is() {
    let mut broken = Vec::new();
    for source in sources() {
        let stem = source.file_name().trim_end_matches(".rs");
        for word in stem.split('_').filter(|word| BANNED_NAMES.contains(word)) {
            broken.push(format!("{}: `{word}` in a file's name", source.path));
        }
        for part in source.path.split('/').filter(|part| BANNED_NAMES.contains(part)) {
            broken.push(format!("{}: `{part}` as a directory's name", source.path));
        }
        for (number, line) in source.code_lines() {
            let Some(name) = type_name(line) else { continue };
            for word in camel_words(name).iter().filter(|word| BANNED_NAMES.contains(&word.as_str())) {
                broken.push(format!("{}:{number}: `{word}` in the type {name}", source.path));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn dependencies_point_one_way() {
    let forbidden = [
        ("engine/batch", vec!["engine", "wire", "broker", "loadgen", "tests", "bench", "tuning"]),
        ("broker/wire", vec!["engine", "broker", "loadgen", "tests", "bench", "tuning"]),
        ("engine", vec!["wire", "broker", "loadgen", "tests", "bench", "tuning"]),
        ("broker", vec!["loadgen", "tests", "bench", "tuning"]),
        ("loadgen", vec!["engine", "tests", "bench", "tuning"]),
        ("tuning", vec!["engine", "wire", "broker", "loadgen", "tests", "bench"]),
    ];
    let mut broken = Vec::new();
    for (package, others) in forbidden {
        let manifest = fs::read_to_string(workspace_dir().join(package).join("Cargo.toml")).expect("a manifest");
        let dependencies = manifest.split("\n[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        for line in dependencies.lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if others.contains(&name) {
                broken.push(format!("{package} depends on {name}"));
            }
            // The embedded broker is the load generator's only door to server code, and stands behind a feature.
            if package == "loadgen" && name == "broker" && !line.contains("optional = true") {
                broken.push(format!("{package} depends on {name} without a feature"));
            }
        }
        if !manifest.contains("[lints]\nworkspace = true") {
            broken.push(format!("{package} does not take the workspace's lints"));
        }
    }
    assert_none(&broken);
}

#[test]
fn the_map_in_the_readme_is_the_tree_on_disk() {
    let readme = fs::read_to_string(workspace_dir().join("README.md")).expect("README.md");
    let map = readme.split("## The map").nth(1).expect("README.md has a part `## The map`");
    let block = map.split("```").nth(1).expect("the map is a fenced block");
    let drawn: BTreeSet<String> =
        block.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    let mut on_disk = BTreeSet::new();
    for path in files_below(workspace_dir()) {
        let is_source = path.extension().is_some_and(|kind| kind == "rs" || kind == "py" || kind == "mjs");
        if is_source {
            let directory = path.parent().expect("a file lies in a directory");
            on_disk.insert(format!("{}/", relative(directory)));
        }
    }
    let undrawn: Vec<String> = on_disk.difference(&drawn).map(|room| format!("{room} is not in the map")).collect();
    assert_none(&undrawn);
    let gone: Vec<String> = drawn.difference(&on_disk).map(|room| format!("{room} is not on the disk")).collect();
    assert_none(&gone);
}

#[test]
fn the_top_level_holds_what_the_design_says_and_nothing_else() {
    let expected =
        ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "bench", "broker", "engine", "loadgen", "tests", "tuning"];
    // What git does not track (an unpacked download, an editor's file) is not part of the project.
    let output = std::process::Command::new("git")
        .args(["-C", workspace_dir().to_str().expect("a plain path"), "ls-files"])
        .output();
    let Ok(output) = output else { return };
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let found: BTreeSet<&str> =
        listed.lines().filter_map(|path| path.split('/').next()).filter(|name| !name.starts_with('.')).collect();
    let unexpected: Vec<String> =
        found.iter().filter(|name| !expected.contains(name)).map(|name| format!("{name} at the top level")).collect();
    assert_none(&unexpected);
}

/// The line and length of each function, taken from rustfmt's layout: its last line is a brace at its own indentation.
fn function_lengths(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut lengths = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let declares = code.split_whitespace().take(6).any(|word| word == "fn");
        if !declares || code.starts_with("//") || code.ends_with(';') || code.ends_with('}') {
            continue;
        }
        let end = format!("{}}}", " ".repeat(line.len() - code.len()));
        if let Some(length) = lines[index..].iter().position(|line| *line == end) {
            lengths.push((index + 1, length + 1));
        }
    }
    lengths
}

fn type_name(line: &str) -> Option<&str> {
    let code = line.trim_start();
    let code = code.strip_prefix("pub ").unwrap_or(code);
    let code = code.strip_prefix("pub(crate) ").or_else(|| code.strip_prefix("pub(super) ")).unwrap_or(code);
    let keywords = ["struct ", "enum ", "trait ", "type ", "union "];
    let name = keywords.iter().find_map(|keyword| code.strip_prefix(keyword))?;
    name.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()
}

fn camel_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_uppercase() => word.push(letter),
            _ => words.push(letter.to_lowercase().to_string()),
        }
    }
    words
}

fn sources() -> Vec<Source> {
    let rust =
        files_below(workspace_dir()).into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Source { path: relative(&path), text }
    };
    let sources: Vec<Source> = rust.map(read).collect();
    assert!(sources.len() > 20, "the search found the code");
    sources
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut waiting = vec![directory.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the workspace") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                if !NOT_OURS.contains(&name) && !name.starts_with('.') && name != "__pycache__" {
                    waiting.push(path);
                }
            } else {
                files.push(path);
            }
        }
    }
    files
}

fn relative(path: &Path) -> String {
    path.strip_prefix(workspace_dir()).expect("below the workspace").to_string_lossy().into_owned()
}

fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}
