//! The process of a disk whose power can be cut; see `tests::power_disk`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, mount, bytes, sector_bytes] = &arguments[..] else {
        eprintln!(
            "power_disk: a directory for the content, one to mount at, its bytes and those of a sector are needed"
        );
        return ExitCode::FAILURE;
    };
    let (Ok(bytes), Ok(sector_bytes)) = (bytes.parse(), sector_bytes.parse()) else {
        eprintln!("power_disk: {bytes} and {sector_bytes} are to be numbers of bytes");
        return ExitCode::FAILURE;
    };
    match tests::power_disk::served::serve(Path::new(dir), Path::new(mount), bytes, sector_bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("power_disk: {error}");
            ExitCode::FAILURE
        }
    }
}
