//! Copies of the data folder as a crash of the machine can leave it: the last part of the write-ahead log never reached
//! the disk.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use fastrand::Rng;
use test_servers::authme::Server;
use test_servers::checkout::run_for_output;

use crate::event_log::EventLog;
use crate::installation::Installation;

const DATABASE: &str = "authme.sqlite";

/// The number of header bytes of the write-ahead log, and of each of its frames (SQLite file format, section 4.1).
const LOG_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// Offsets in the index of the log: the size of a page, and the number of frames that a checkpoint may have copied into
/// the database. A checkpoint syncs the log before it copies a frame, so a crash cannot lose these frames.
const PAGE_SIZE: usize = 14;
const BACKFILL_ATTEMPTED: usize = 128;

/// A copy of the data folder whose write-ahead log was cut off.
pub(crate) struct TornCopy {
    /// The position of the cut, for messages.
    cut: String,
}

fn folder(installation: &Installation) -> PathBuf {
    installation.folder().join("torn")
}

impl TornCopy {
    /// Copies the files of a running server, and cuts the copied log off at random.
    pub(crate) fn create(installation: &Installation, server: &Server, rng: &mut Rng) -> anyhow::Result<Self> {
        let (data, copy) = (installation.data(), folder(installation));
        fs::create_dir_all(&copy)?;
        server.while_paused(|| {
            for suffix in ["", "-wal", "-shm"] {
                let name = format!("{DATABASE}{suffix}");
                fs::copy(data.join(&name), copy.join(&name))?;
            }
            Ok(())
        })?;
        for folder in ["keys", "secrets"] {
            copy_folder(&data.join(folder), &copy.join(folder))?;
        }
        let index = fs::read(copy.join(format!("{DATABASE}-shm")))?;
        fs::remove_file(copy.join(format!("{DATABASE}-shm")))?;
        let log = OpenOptions::new()
            .write(true)
            .open(copy.join(format!("{DATABASE}-wal")))?;
        let (synced, length) = (synced_length(&index)?, log.metadata()?.len());
        let cut = (synced + rng.u64(..=length.saturating_sub(synced))).min(length);
        log.set_len(cut)?;
        Ok(Self {
            cut: format!("cut off at {cut} of {length} bytes, {synced} of them synced"),
        })
    }

    /// Reads the copy with operator commands and returns its defects. Removes the copy if it has none.
    pub(crate) fn verify(self, installation: &Installation) -> anyhow::Result<Vec<String>> {
        let copy = folder(installation);
        let defects = examine(installation, &copy)?;
        if defects.is_empty() {
            fs::remove_dir_all(&copy)?;
        }
        let cut = self.cut;
        Ok(defects.into_iter().map(|defect| format!("{cut}: {defect}")).collect())
    }
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Returns the defects of a data folder: users or events that cannot be read, events out of order, and a damaged file.
pub(crate) fn examine(installation: &Installation, data: &Path) -> anyhow::Result<Vec<String>> {
    let mut defects = Vec::new();
    let users = installation.operate_on(data, &["identity", "list"]);
    defects.extend(users.err().map(|error| format!("{error:#}")));
    match installation.operate_on(data, &["events"]) {
        Ok(events) => defects.extend(EventLog::default().add_page(&events)?.0),
        Err(error) => defects.push(format!("{error:#}")),
    }
    let integrity = integrity_check(data)?;
    if integrity != "ok" {
        defects.push(format!("integrity_check: {integrity}"));
    }
    Ok(defects)
}

/// Returns how many bytes of the log are certainly on the disk, according to the index of the log.
fn synced_length(index: &[u8]) -> anyhow::Result<u64> {
    let page_size = u64::from(u16::from_ne_bytes(read_bytes(index, PAGE_SIZE)?));
    let frames = u64::from(u32::from_ne_bytes(read_bytes(index, BACKFILL_ATTEMPTED)?));
    ensure!(page_size >= 512, "the index of the log has an unknown form");
    Ok(if frames == 0 {
        0
    } else {
        LOG_HEADER + frames * (FRAME_HEADER + page_size)
    })
}

fn read_bytes<const N: usize>(index: &[u8], at: usize) -> anyhow::Result<[u8; N]> {
    let bytes = index.get(at..at + N).context("the index of the log is too short")?;
    Ok(bytes.try_into()?)
}

/// Returns the result of SQLite's `PRAGMA integrity_check` for the file of a data folder.
pub(crate) fn integrity_check(data: &Path) -> anyhow::Result<String> {
    let file = data.join(DATABASE);
    let result = run_for_output(Command::new("sqlite3").arg(&file).arg("PRAGMA integrity_check"));
    let result = result.or_else(|_| {
        let script = "import sqlite3, sys\n\
                      for row in sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check'): print(row[0])";
        run_for_output(Command::new("python3").args(["-c", script]).arg(&file))
    });
    Ok(result
        .context("neither sqlite3 nor python3 is installed")?
        .trim()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_a_checkpoint_may_have_copied_are_synced() {
        let mut index = vec![0; 136];
        index[PAGE_SIZE..PAGE_SIZE + 2].copy_from_slice(&4096_u16.to_ne_bytes());
        assert_eq!(synced_length(&index).unwrap(), 0);
        index[BACKFILL_ATTEMPTED..BACKFILL_ATTEMPTED + 4].copy_from_slice(&3_u32.to_ne_bytes());
        assert_eq!(synced_length(&index).unwrap(), 32 + 3 * 4120);
        assert!(synced_length(&index[..100]).is_err());
    }
}
