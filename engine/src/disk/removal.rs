//! Files are removed one at a time and a piece at a time, with a rest after each piece that is as long as its removal took.
//!
//! Where the file system hands freed blocks on to the device (mount option `discard`), a removal keeps the device for as long
//! as that takes, about 0.2 ms for a MiB here, and journal writes, for which clients wait, queue behind it. Retention finds the
//! segments of many logs at once: removed side by side, 16 segments of 4 MiB took 28 ms each and up to 180 ms. Beside the
//! removal of 512 MiB in one piece a durable write of 64 KiB took up to 204 ms; beside 64 MiB in pieces of 4 MiB up to 4.2 ms.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::time::Instant;

use crate::limits::REMOVAL_STEP_BYTES;
use crate::ring::Ring;
use crate::ring::sync::Notify;

/// One shard's removals.
pub struct Removal {
    ring: Ring,
    is_busy: Cell<bool>,
    free: Notify,
}

/// The right to remove; the next one gets it when this is dropped.
struct Turn<'a>(&'a Removal);

impl Removal {
    pub fn new(ring: Ring) -> Removal {
        Removal { ring, is_busy: Cell::new(false), free: Notify::new() }
    }

    /// Removes a file, after those that others want removed. Whoever has it open finds it empty, or nearly so.
    pub async fn remove(&self, path: &Path) -> io::Result<()> {
        let _turn = self.turn().await;
        // A file that cannot be cut may still be one that can be unlinked.
        let _cut = self.cut_down(path).await;
        self.paced(self.ring.unlink(path)).await
    }

    /// Removes a file that somebody still reads: he finds it whole.
    pub async fn unlink(&self, path: &Path) -> io::Result<()> {
        let _turn = self.turn().await;
        self.paced(self.ring.unlink(path)).await
    }

    /// Gives a file that was to be removed another name instead, if it has no second one: that would be somebody's copy.
    pub async fn keep_as(&self, from: &Path, to: &Path) -> io::Result<bool> {
        // Nobody who removes the file has it open while this one has its turn, and would cut it down under its new name.
        let _turn = self.turn().await;
        let file = match self.ring.open(from, libc::O_RDONLY | libc::O_NOFOLLOW, 0).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        if file.names()? != 1 {
            return Ok(false);
        }
        self.ring.rename(from, to).await.map(|()| true)
    }

    async fn cut_down(&self, path: &Path) -> io::Result<()> {
        let file = self.ring.open(path, libc::O_WRONLY | libc::O_NOFOLLOW, 0).await?;
        let mut bytes = file.bytes()?;
        // Another name for it is a copy that somebody has made, which is not ours to cut.
        while bytes > REMOVAL_STEP_BYTES && file.names()? == 1 {
            bytes -= REMOVAL_STEP_BYTES;
            self.paced(self.ring.ftruncate(&file, bytes)).await?;
        }
        Ok(())
    }

    async fn paced<T>(&self, piece: impl Future<Output = T>) -> T {
        let started = now();
        let result = piece.await;
        self.ring.sleep(started.elapsed()).await;
        result
    }

    async fn turn(&self) -> Turn<'_> {
        while self.is_busy.replace(true) {
            self.free.notified().await;
        }
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.is_busy.set(false);
        self.0.free.notify_one();
    }
}

#[expect(clippy::disallowed_methods, reason = "it only measures how long a removal has taken")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::rc::Rc;

    use super::*;
    use crate::ring::{self, RingConfig, spawn_shard};

    /// On a shard of its own, with files named by number in a directory that goes with the test.
    fn with_files<F, T>(
        count: usize,
        test: impl FnOnce(Rc<Removal>, Vec<std::path::PathBuf>) -> F + Send + 'static,
    ) -> T
    where
        F: Future<Output = T> + 'static,
        T: Send + 'static,
    {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let paths: Vec<_> = (0..count).map(|number| directory.path().join(number.to_string())).collect();
        paths.iter().for_each(|path| fs::write(path, b"x").expect("a file can be written"));
        let run = move |ring: Ring| test(Rc::new(Removal::new(ring)), paths);
        spawn_shard("removal", None, RingConfig::default(), run).expect("a shard starts").join().expect("a shard ends")
    }

    #[test]
    fn files_that_are_to_go_at_the_same_time_go_one_after_the_other() {
        let (gone, left) = with_files(20, |removal, paths| async move {
            let remove = |path: std::path::PathBuf| {
                let removal = removal.clone();
                ring::spawn(async move {
                    removal.remove(&path).await.expect("the file is there");
                    !path.exists()
                })
            };
            let removed: Vec<_> = paths.iter().cloned().map(remove).collect();
            let mut gone = Vec::new();
            for removed in removed {
                gone.push(removed.await);
            }
            (gone, paths.iter().filter(|path| path.exists()).count())
        });
        assert_eq!((gone, left), (vec![true; 20], 0));
    }

    #[test]
    fn a_removal_that_fails_or_is_given_up_does_not_hold_the_others_up() {
        let left = with_files(2, |removal, paths| async move {
            let missing = removal.remove(&paths[0].with_extension("missing")).await;
            assert_eq!(missing.map_err(|error| error.kind()), Err(io::ErrorKind::NotFound));
            drop(removal.remove(&paths[0]));
            let turn = removal.turn().await;
            drop(turn);
            removal.remove(&paths[1]).await.expect("the file is there");
            paths.iter().filter(|path| path.exists()).count()
        });
        assert_eq!(left, 1);
    }

    /// Sealed segments never change, so people keep copies of them as hard links.
    #[test]
    fn a_large_file_goes_in_pieces_and_its_second_name_keeps_all_of_it() {
        const BYTES: u64 = 2 * REMOVAL_STEP_BYTES + 5;
        let (open_bytes, copy_bytes) = with_files(2, |removal, paths| async move {
            let open = |path: &std::path::PathBuf| fs::OpenOptions::new().write(true).open(path).expect("it is there");
            let files = [open(&paths[0]), open(&paths[1])];
            files.iter().for_each(|file| file.set_len(BYTES).expect("it has no content"));
            fs::hard_link(&paths[1], paths[1].with_extension("copy")).expect("a second name");
            for path in &paths {
                removal.remove(path).await.expect("the file is there");
                assert!(!path.exists());
            }
            let bytes = |file: &fs::File| file.metadata().expect("it is open").len();
            (bytes(&files[0]), fs::metadata(paths[1].with_extension("copy")).expect("it stays").len())
        });
        assert_eq!((open_bytes, copy_bytes), (5, BYTES));
    }
}
