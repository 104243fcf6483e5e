//! Sets single keys of the file that `ringmain serve --config` takes, and leaves all else as its owner wrote it.

use std::fs;
use std::io;
use std::path::Path;

/// Sets `key` to `value`, with a comment that says why. Makes the file if there is none.
pub fn set(path: &Path, key: &str, value: &str, why: &str) -> io::Result<()> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read?,
    };
    fs::write(path, with(&text, key, value, why))
}

/// The new line comes first, above any table. Keys have dots of their own and so stand in quotes.
fn with(text: &str, key: &str, value: &str, why: &str) -> String {
    let is_ours = |line: &&str| {
        let name = line.split_once('=').map(|(name, _)| name.trim().trim_matches(['"', '\'']));
        name == Some(key) || line.starts_with(&comment(key))
    };
    let rest: String = text.lines().filter(|line| !is_ours(line)).map(|line| format!("{line}\n")).collect();
    format!("{} {why}\n\"{key}\" = {value}\n{rest}", comment(key))
}

fn comment(key: &str) -> String {
    format!("# {key}:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_replaced_and_the_owners_lines_stay() {
        let owners = "# mine\nlisten = '127.0.0.1:9092'\n[table]\nx = 1\n";
        let once = with(owners, "cores", "[0]", "one is enough");
        assert_eq!(once, format!("# cores: one is enough\n\"cores\" = [0]\n{owners}"));
        assert_eq!(with(&once, "cores", "[0, 1]", "two"), format!("# cores: two\n\"cores\" = [0, 1]\n{owners}"));
        let parsed: toml::Table = toml::from_str(&with("", "journal.group.kib", "64", "why")).expect("TOML");
        assert_eq!(parsed["journal.group.kib"].as_integer(), Some(64));
    }
}
