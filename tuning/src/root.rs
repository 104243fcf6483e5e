//! Reading `/sys` and `/proc`, or a captured copy of them below another directory. SHELL.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where `/sys` and `/proc` hang. `/` is this machine.
#[derive(Clone, Debug)]
pub struct Root {
    directory: PathBuf,
    /// Everything that is read is copied below it.
    copy_below: Option<PathBuf>,
}

impl Root {
    pub fn new(directory: impl Into<PathBuf>) -> Root {
        Root { directory: directory.into(), copy_below: None }
    }

    /// Reads this machine and leaves a tree below `copy_below` from which the same can be read again.
    pub fn capturing(copy_below: impl Into<PathBuf>) -> Root {
        Root { directory: PathBuf::from("/"), copy_below: Some(copy_below.into()) }
    }

    /// Whether this is the machine itself, so that it makes sense to call the kernel as well.
    pub fn is_live(&self) -> bool {
        self.directory == Path::new("/")
    }

    /// The trimmed text of a file; nothing if it cannot be read, which on another kernel or in a guest is ordinary.
    pub fn text(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.path(path)).ok()?;
        self.copy(path, |copy| fs::write(copy, &text));
        Some(text.trim().to_owned())
    }

    /// A file that holds one number.
    pub fn number<N: FromStr>(&self, path: &str) -> Option<N> {
        self.text(path)?.parse().ok()
    }

    /// The names in a directory, sorted; none if it cannot be read. Names are copied with what is read below them.
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The last name of what a symbolic link points to.
    pub fn link_name(&self, path: &str) -> Option<String> {
        Some(self.link(path)?.file_name()?.to_str()?.to_owned())
    }

    /// The last two names of what a symbolic link points to, outer first.
    pub fn link_parent_and_name(&self, path: &str) -> Option<(String, String)> {
        let target = self.link(path)?;
        Some((target.parent()?.file_name()?.to_str()?.to_owned(), target.file_name()?.to_str()?.to_owned()))
    }

    fn link(&self, path: &str) -> Option<PathBuf> {
        let target = fs::read_link(self.path(path)).ok()?;
        self.copy(path, |copy| std::os::unix::fs::symlink(&target, copy));
        Some(target)
    }

    pub fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// A file exactly as it is, for putting it back.
    pub fn exact_text(&self, path: &str) -> io::Result<String> {
        fs::read_to_string(self.path(path))
    }

    /// Sets what a file of `/sys` or `/proc` controls. In a copy, where no kernel answers, a choice shows the mark moved.
    pub fn set(&self, path: &str, value: &str) -> io::Result<()> {
        let before = self.exact_text(path)?;
        let is_choice =
            !self.is_live() && chosen(&before).is_some() && choices(&before).iter().any(|word| word == value);
        if !is_choice {
            return self.write(path, &format!("{value}\n"));
        }
        let mark = |word: String| if word == value { format!("[{word}]") } else { word };
        let words: Vec<String> = choices(&before).into_iter().map(mark).collect();
        self.write(path, &format!("{}\n", words.join(" ")))
    }

    /// Makes a file read as it did before. The kernel takes the marked word of a choice, a copy the whole text.
    pub fn put_back(&self, path: &str, before: &str) -> io::Result<()> {
        match chosen(before) {
            Some(word) if self.is_live() => self.write(path, word)?,
            _ => self.write(path, before)?,
        }
        let now = self.exact_text(path)?;
        if now == before { Ok(()) } else { Err(io::Error::other(format!("it reads {:?} now", now.trim_end()))) }
    }

    /// In one call: the kernel takes each write for a whole value.
    fn write(&self, path: &str, text: &str) -> io::Result<()> {
        OpenOptions::new().write(true).truncate(true).open(self.path(path))?.write_all(text.as_bytes())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.join(path.trim_start_matches('/'))
    }

    /// A copy that fails leaves a hole, which reads as a file that the kernel does not have.
    fn copy(&self, path: &str, make: impl FnOnce(&Path) -> io::Result<()>) {
        let Some(below) = &self.copy_below else { return };
        let copy = below.join(path.trim_start_matches('/'));
        let made = fs::create_dir_all(copy.parent().unwrap_or(below)).and_then(|()| make(&copy));
        if let Err(error) =
            made.or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })
        {
            eprintln!("tuning: cannot copy {path}: {error}");
        }
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

/// A mask of CPUs as the kernel writes it, in hexadecimal with a comma every 32 bits: `1,00000003` gives 0, 1, 32.
pub fn cpu_mask(text: &str) -> Vec<usize> {
    let digits = text.trim().chars().rev().filter(|c| *c != ',').enumerate();
    let bits = |(position, digit): (usize, char)| {
        let digit = digit.to_digit(16).unwrap_or(0);
        (0..4).filter(move |bit| digit >> bit & 1 == 1).map(move |bit| position * 4 + bit)
    };
    digits.flat_map(bits).collect()
}

/// The mask that [`cpu_mask`] reads as these CPUs.
pub fn mask_of(cpus: &[usize]) -> String {
    let words = cpus.iter().max().map_or(1, |most| most / 32 + 1);
    let word = |index: usize| {
        let bits = cpus.iter().filter(|&&cpu| cpu / 32 == index).fold(0u32, |bits, cpu| bits | 1 << (cpu % 32));
        if index + 1 == words { format!("{bits:x}") } else { format!("{bits:08x}") }
    };
    (0..words).rev().map(word).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_of_cpus_reads_back_as_it_was_written() {
        assert_eq!(cpu_mask("1,00000003"), [0, 1, 32]);
        for cpus in [vec![], vec![0], vec![3, 31], vec![0, 33, 64, 127]] {
            assert_eq!(cpu_mask(&mask_of(&cpus)), cpus, "{}", mask_of(&cpus));
        }
        assert_eq!(mask_of(&[0, 1, 32]), "1,00000003");
    }

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
