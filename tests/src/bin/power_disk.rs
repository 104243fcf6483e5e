//! The process of a disk whose power can be cut; see `tests::power_disk`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, mount, bytes] = &arguments[..] else {
        eprintln!("power_disk: a directory for the content, one to mount at, and a number of bytes are needed");
        return ExitCode::FAILURE;
    };
    let Ok(bytes) = bytes.parse() else {
        eprintln!("power_disk: {bytes} is no number of bytes");
        return ExitCode::FAILURE;
    };
    match tests::power_disk::served::serve(Path::new(dir), Path::new(mount), bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("power_disk: {error}");
            ExitCode::FAILURE
        }
    }
}
