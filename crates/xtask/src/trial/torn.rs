//! Copies of the files as a crash of the machine might leave them: the last part of the write-ahead log never came to
//! the disk.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::dice::Dice;
use super::events::Log;
use super::installation::{Installation, Server, output};

const DATABASE: &str = "authme.sqlite";

/// Bytes of the write-ahead log before its first frame, and of a frame before its page (SQLite file format, section
/// 4.1).
const LOG_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// In the index of the log: the size of a page, and how many frames a checkpoint may have copied into the database.
/// A log that lost one of these was never possible: they were on the disk before the copying began.
const PAGE_SIZE: usize = 14;
const BACKFILL_ATTEMPTED: usize = 128;

/// A copy of the files, its log torn.
pub(super) struct Torn {
    place: String,
}

/// Copies the files at this very moment, and tears the copied log at random.
pub(super) fn tear(installation: &Installation, server: &Server, dice: &mut Dice) -> anyhow::Result<Torn> {
    let (data, copy) = (installation.data(), folder(installation));
    fs::create_dir_all(&copy)?;
    server.while_it_stands_still(|| {
        for suffix in ["", "-wal", "-shm"] {
            let name = format!("{DATABASE}{suffix}");
            fs::copy(data.join(&name), copy.join(&name))?;
        }
        Ok(())
    })?;
    let index = fs::read(copy.join(format!("{DATABASE}-shm")))?;
    fs::remove_file(copy.join(format!("{DATABASE}-shm")))?;
    let log = OpenOptions::new()
        .write(true)
        .open(copy.join(format!("{DATABASE}-wal")))?;
    let (kept, length) = (kept(&index)?, log.metadata()?.len());
    let torn_at = (kept + dice.below(length.saturating_sub(kept) + 1)).min(length);
    log.set_len(torn_at)?;
    Ok(Torn {
        place: format!("torn at {torn_at} of {length} bytes, {kept} of them kept"),
    })
}

fn folder(installation: &Installation) -> PathBuf {
    installation.folder().join("torn")
}

impl Torn {
    /// Opens the copy as the operator would; what is wrong with it. A good one goes.
    pub(super) fn judge(self, installation: &Installation) -> anyhow::Result<Vec<String>> {
        let copy = folder(installation);
        let mut wrong = Vec::new();
        let users = output(installation.over(&copy).args(["identity", "list"]));
        wrong.extend(users.err().map(|failure| format!("{failure:#}")));
        match output(installation.over(&copy).arg("events")) {
            Ok(events) => wrong.extend(Log::default().read(&events)?.0),
            Err(failure) => wrong.push(format!("{failure:#}")),
        }
        let integrity = integrity(&copy)?;
        if integrity != "ok" {
            wrong.push(format!("integrity_check: {integrity}"));
        }
        if wrong.is_empty() {
            fs::remove_dir_all(&copy)?;
        }
        let place = self.place;
        Ok(wrong.into_iter().map(|wrong| format!("{place}: {wrong}")).collect())
    }
}

/// How much of the log is on the disk for certain.
fn kept(index: &[u8]) -> anyhow::Result<u64> {
    let page_size = u64::from(u16::from_ne_bytes(bytes(index, PAGE_SIZE)?));
    let frames = u64::from(u32::from_ne_bytes(bytes(index, BACKFILL_ATTEMPTED)?));
    ensure!(page_size >= 512, "the index of the log was not understood");
    Ok(if frames == 0 {
        0
    } else {
        LOG_HEADER + frames * (FRAME_HEADER + page_size)
    })
}

fn bytes<const N: usize>(index: &[u8], at: usize) -> anyhow::Result<[u8; N]> {
    let found = index.get(at..at + N).context("the index of the log is too short")?;
    Ok(found.try_into()?)
}

/// What SQLite's own check says of the file in a data folder.
pub(super) fn integrity(data: &Path) -> anyhow::Result<String> {
    let file = data.join(DATABASE);
    let answer = output(Command::new("sqlite3").arg(&file).arg("PRAGMA integrity_check"));
    let answer = answer.or_else(|_| {
        let script = "import sqlite3, sys\n\
                      for row in sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check'): print(row[0])";
        output(Command::new("python3").args(["-c", script]).arg(&file))
    });
    Ok(answer
        .context("neither sqlite3 nor python3 is there")?
        .trim()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_checkpoint_may_have_copied_is_kept() {
        let mut index = vec![0; 136];
        index[PAGE_SIZE..PAGE_SIZE + 2].copy_from_slice(&4096_u16.to_ne_bytes());
        assert_eq!(kept(&index).unwrap(), 0);
        index[BACKFILL_ATTEMPTED..BACKFILL_ATTEMPTED + 4].copy_from_slice(&3_u32.to_ne_bytes());
        assert_eq!(kept(&index).unwrap(), 32 + 3 * 4120);
        assert!(kept(&index[..100]).is_err());
    }
}
