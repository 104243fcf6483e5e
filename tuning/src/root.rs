//! Reading `/sys` and `/proc`, or a captured copy of them below another directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where `/sys` and `/proc` hang. `/` is this machine.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    pub fn new(directory: impl Into<PathBuf>) -> Root {
        Root(directory.into())
    }

    /// Whether this is the machine itself, so that it makes sense to call the kernel as well.
    pub fn is_live(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// The trimmed text of a file; nothing if it cannot be read, which on another kernel or in a guest is ordinary.
    pub fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok().map(|text| text.trim().to_owned())
    }

    /// A file that holds one number.
    pub fn number<N: FromStr>(&self, path: &str) -> Option<N> {
        self.text(path)?.parse().ok()
    }

    /// The names in a directory, sorted; none if it cannot be read.
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The last two names of what a symbolic link points to, outer first.
    pub fn link_parent_and_name(&self, path: &str) -> Option<(String, String)> {
        let target = fs::read_link(self.path(path)).ok()?;
        let name = target.file_name()?.to_str()?.to_owned();
        Some((target.parent()?.file_name()?.to_str()?.to_owned(), name))
    }

    pub fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }
}

/// The marked word of a choice as sysfs shows it: `none [mq-deadline] kyber` gives `mq-deadline`.
pub fn chosen(text: &str) -> Option<&str> {
    text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'))
}

/// The words of a choice without the mark.
pub fn choices(text: &str) -> Vec<String> {
    text.split_whitespace().map(|word| word.trim_matches(['[', ']']).to_owned()).collect()
}

/// A list of CPUs as the kernel writes it: `0-2,5` gives 0, 1, 2, 5. Malformed parts are left out.
pub fn cpu_list(text: &str) -> Vec<usize> {
    let range = |part: &str| -> Option<std::ops::RangeInclusive<usize>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        // The kernel's own bound, far above any machine: a malformed list must not make a huge one of ours.
        (first <= last && last < 1 << 16).then_some(first..=last)
    };
    text.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_the_word_in_brackets() {
        assert_eq!(chosen("none [mq-deadline] kyber"), Some("mq-deadline"));
        assert_eq!(chosen("none"), None);
        assert_eq!(choices("none [mq-deadline] kyber"), ["none", "mq-deadline", "kyber"]);
    }

    #[test]
    fn a_list_of_cpus_has_ranges_and_single_ones() {
        assert_eq!(cpu_list("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(cpu_list("7"), [7]);
        assert!(cpu_list("").is_empty() && cpu_list("x,3-1,0-99999999").is_empty());
    }
}
