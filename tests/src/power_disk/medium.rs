//! What the disk holds: what reads see, what is on stable storage, and the cache between the two.

use crate::random::Random;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What a power cut does to writes that no sync has made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// None of them reaches stable storage.
    Dropped,
    /// All of them have reached it.
    Kept,
    /// Each of them, for itself, is kept, dropped, or torn at its sectors.
    Mixed,
}

/// How many writes a cut found in the cache, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutReport {
    /// Whole on stable storage.
    pub kept: u64,
    /// Not on stable storage at all.
    pub dropped: u64,
    /// There in part.
    pub torn: u64,
}

/// A disk with a volatile write cache.
#[derive(Debug)]
pub struct Medium {
    live: File,
    durable: File,
    bytes: u64,
    /// A sector is written whole or not at all; a write of several may tear between any two.
    sector_bytes: u64,
    cached: VecDeque<Write>,
    writes: u64,
}

#[derive(Debug)]
struct Write {
    number: u64,
    position: u64,
    data: Vec<u8>,
}

impl Medium {
    /// An empty disk of so many bytes in sectors of so many, kept in two sparse files in `dir`.
    pub fn create(dir: &Path, bytes: u64, sector_bytes: u64) -> io::Result<Medium> {
        let file = |name: &str| {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(dir.join(name))?;
            file.set_len(bytes).map(|()| file)
        };
        let (live, durable) = (file("live")?, file("durable")?);
        Ok(Medium { live, durable, bytes, sector_bytes, cached: VecDeque::new(), writes: 0 })
    }

    /// The size of the disk.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads what was written last, durable or not.
    pub fn read(&self, position: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.bytes.saturating_sub(position)).unwrap_or(usize::MAX);
        let mut data = vec![0; bytes.min(left)];
        self.live.read_exact_at(&mut data, position)?;
        Ok(data)
    }

    /// Takes a write into the cache.
    pub fn write(&mut self, position: u64, data: &[u8]) -> io::Result<()> {
        self.live.write_all_at(data, position)?;
        self.cached.push_back(Write { number: self.writes, position, data: data.to_vec() });
        self.writes += 1;
        Ok(())
    }

    /// Number of writes taken so far.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Makes the first so many writes durable: all that a sync promises are those that came before it.
    pub fn sync(&mut self, writes: u64) -> io::Result<()> {
        while let Some(write) = self.cached.pop_front_if(|write| write.number < writes) {
            self.durable.write_all_at(&write.data, write.position)?;
        }
        Ok(())
    }

    /// Power is lost: the cache is gone, and reads see what is durable. Of a sector written several times any version may have got there.
    pub fn cut(&mut self, fate: Fate, random: &mut Random) -> io::Result<CutReport> {
        let mut report = CutReport::default();
        let cached = std::mem::take(&mut self.cached);
        for write in &cached {
            let sectors = write.sectors(self.sector_bytes);
            let kept = surviving_sectors(fate, sectors.len(), random);
            match kept.iter().filter(|kept| **kept).count() {
                0 => report.dropped += 1,
                all if all == sectors.len() => report.kept += 1,
                _ => report.torn += 1,
            }
            for ((position, sector), _) in sectors.into_iter().zip(kept).filter(|(_, kept)| *kept) {
                self.durable.write_all_at(sector, position)?;
            }
        }
        for write in cached {
            let mut data = write.data;
            self.durable.read_exact_at(&mut data, write.position)?;
            self.live.write_all_at(&data, write.position)?;
        }
        Ok(report)
    }
}

impl Write {
    /// What it writes of each sector, and where.
    fn sectors(&self, sector_bytes: u64) -> Vec<(u64, &[u8])> {
        let mut sectors = Vec::new();
        let (mut position, mut rest) = (self.position, &self.data[..]);
        while !rest.is_empty() {
            let to_border = sector_bytes - position % sector_bytes;
            let (sector, after) = rest.split_at(rest.len().min(to_border as usize));
            sectors.push((position, sector));
            position += to_border;
            rest = after;
        }
        sectors
    }
}

fn surviving_sectors(fate: Fate, sectors: usize, random: &mut Random) -> Vec<bool> {
    let everywhere = |survives: bool| vec![survives; sectors];
    match (fate, random.between(0, 4)) {
        (Fate::Dropped, _) | (Fate::Mixed, 0) => everywhere(false),
        (Fate::Kept, _) | (Fate::Mixed, 1) => everywhere(true),
        // Half of the torn writes end somewhere, the other half got there in no order.
        (Fate::Mixed, 2) => {
            let end = random.between(0, sectors as u64 + 1);
            (0..sectors as u64).map(|sector| sector < end).collect()
        }
        (Fate::Mixed, _) => (0..sectors).map(|_| random.between(0, 2) == 0).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    struct Dir(PathBuf);

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const SECTOR_BYTES: usize = 512;

    fn medium(name: &str) -> (Dir, Medium) {
        let dir = crate::binary::target_dir().join("tests-data").join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let medium = Medium::create(&dir, 1 << 20, SECTOR_BYTES as u64).expect("two files");
        (Dir(dir), medium)
    }

    #[test]
    fn a_cut_keeps_what_was_synced_and_drops_what_was_not() {
        let (_dir, mut medium) = medium("medium-dropped");
        medium.write(4096, &[1; 8192]).expect("written");
        medium.sync(medium.writes()).expect("synced");
        medium.write(8192, &[2; 4096]).expect("written");
        assert_eq!(medium.read(8192, 4096).expect("read"), [2; 4096], "reads see what is not durable yet");
        let report = medium.cut(Fate::Dropped, &mut Random::from_seed(1)).expect("cut");
        assert_eq!(report, CutReport { dropped: 1, ..CutReport::default() });
        assert_eq!(medium.read(4096, 8192).expect("read"), [1; 8192]);
    }

    #[test]
    fn a_torn_write_is_whole_in_each_sector() {
        let (_dir, mut medium) = medium("medium-torn");
        let mut random = Random::from_seed(7);
        let mut report = CutReport::default();
        for version in 1..=50_u8 {
            medium.write(0, &[version; 8 * SECTOR_BYTES]).expect("written");
            let cut = medium.cut(Fate::Mixed, &mut random).expect("cut");
            report.kept += cut.kept;
            report.dropped += cut.dropped;
            report.torn += cut.torn;
            for sector in medium.read(0, 8 * SECTOR_BYTES).expect("read").chunks(SECTOR_BYTES) {
                assert!(sector.iter().all(|byte| *byte == sector[0] && *byte <= version), "half a sector");
            }
        }
        assert!(report.kept > 0 && report.dropped > 0 && report.torn > 0, "{report:?}");
    }
    #[test]
    fn writes_tear_at_the_borders_of_the_disk_and_not_at_their_own() {
        let write = Write { number: 0, position: 4096 - 512, data: vec![0; 512 + 4096 + 1024] };
        let sectors = write.sectors(4096).into_iter().map(|(position, sector)| (position, sector.len()));
        assert_eq!(sectors.collect::<Vec<_>>(), [(4096 - 512, 512), (4096, 4096), (8192, 1024)]);
    }
}
