//! The program over the `/sys` and `/proc` of several kinds of machine, in `tests/trees`: `firecracker` was captured by
//! `tuning capture`; `bare-metal` (two NUMA nodes, NVMe, a card with four queues) and `cloud-vm` (SMT, one queue, a disk mounted
//! without barriers) were written by hand after what such machines show.

mod apply_and_revert;
mod reports;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MACHINES: [&str; 3] = ["bare-metal", "cloud-vm", "firecracker"];

fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Runs `tuning WORDS --root TREE`.
fn tuning(words: &[&str], tree: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tuning"));
    command.args(words).arg("--root").arg(tree).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the program prints text")
}
