//! Finds, or builds, the programs of the same profile as the running test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The workspace's root directory.
pub fn workspace_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie inside the workspace")
}

/// The target directory in use; test data, logs and installed clients live below it (it is on a disk, which `/tmp` need not be).
pub fn target_dir() -> &'static Path {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| {
        // A test runs as target/<profile>/deps/<name>-<hash>.
        let test = std::env::current_exe().expect("a running test knows its file");
        test.ancestors().nth(3).expect("a test lies in target/<profile>/deps").to_path_buf()
    })
}

/// The `ringmain` binary, built once per test process. `RINGMAIN_BIN` names another one instead.
pub fn ringmain() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("RINGMAIN_BIN") {
        Some(path) => PathBuf::from(path),
        None => built("broker", "ringmain"),
    })
}

/// A program of another package. Cargo gives a package only its own binaries' paths, so it is built here; cargo's lock makes
/// side-by-side tests wait.
pub fn built(package: &str, name: &str) -> PathBuf {
    let release = !cfg!(debug_assertions);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace_dir()).args(["build", "-q", "-p", package, "--bin", name]);
    cargo.arg("--target-dir").arg(target_dir());
    if release {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "{name} did not build");
    let path = target_dir().join(if release { "release" } else { "debug" }).join(name);
    assert!(path.exists(), "{} is missing after a successful build", path.display());
    path
}
