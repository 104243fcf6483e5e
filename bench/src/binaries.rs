//! Finds, or builds, the release binaries that are measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;

/// The programs of a run.
#[derive(Clone, Debug)]
pub struct Binaries {
    pub ringmain: PathBuf,
    pub loadgen: PathBuf,
    /// The target directory that they are in.
    pub target_dir: PathBuf,
}

/// Takes the release binaries of the target directory that this program is in.
///
/// Where cargo is at hand (`cargo run`), it is asked first, so that no old build is measured as the present one; it has
/// nothing to do when they are fresh. `build: false` takes what is there.
pub fn locate(build: bool) -> Result<Binaries, Failure> {
    let own = std::env::current_exe().map_err(Failure::machine("finding this program's own file"))?;
    let target_dir = own.ancestors().nth(2).unwrap_or(Path::new(".")).to_path_buf();
    let release = target_dir.join("release");
    let binaries = Binaries { ringmain: release.join("ringmain"), loadgen: release.join("loadgen"), target_dir };
    let missing = !binaries.ringmain.exists() || !binaries.loadgen.exists();
    if build && (missing || std::env::var_os("CARGO").is_some()) {
        cargo_build("broker", "ringmain", &binaries.target_dir)?;
        cargo_build("loadgen", "loadgen", &binaries.target_dir)?;
    }
    Ok(binaries)
}

fn cargo_build(package: &'static str, binary: &str, target_dir: &Path) -> Result<(), Failure> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--package", package, "--bin", binary, "--manifest-path"]);
    cargo.arg(workspace_dir().join("Cargo.toml")).arg("--target-dir").arg(target_dir);
    let status = cargo.status().map_err(Failure::machine("starting cargo"))?;
    if status.success() { Ok(()) } else { Err(Failure::Build { package }) }
}

/// The root of the sources that this program was built from.
pub fn workspace_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}
