//! How large the write-ahead log is, and who keeps it so.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::file::location::log_of;
use crate::storage::held_readers::HeldReaders;
use crate::storage::pragmas::PAGE_BYTES;
use crate::writer::disk_trust::DiskTrust;

/// What the writer, the checkpointing thread and the readers know of the log.
pub(crate) struct LogWatch {
    pub(crate) path: PathBuf,
    /// In bytes.
    pub(crate) limit: u64,
    pub(crate) held: HeldReaders,
    pub(crate) trust: DiskTrust,
}

/// The log has passed its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogExcess {
    /// The size of the log in bytes.
    pub log_bytes: u64,
    /// Its limit: [`Config::log_limit`](crate::Config::log_limit).
    pub limit: u64,
    /// How many queries and iterations were cut off, because their snapshots kept the log from being emptied. Without
    /// any, something else does: another process that reads, a long backup or search, or a disk that fails.
    pub readers_cut_off: usize,
}

impl fmt::Display for LogExcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log_bytes, limit, readers_cut_off } = self;
        write!(f, "the write-ahead log has {log_bytes} bytes, more than its limit of {limit}: ")?;
        match readers_cut_off {
            0 => f.write_str(
                "another process reads the file, a backup or search takes long, or the disk fails; it shrinks once that \
                 has ended",
            ),
            1 => f.write_str("one query or iteration that kept it from being emptied was cut off"),
            count => write!(f, "{count} queries and iterations that kept it from being emptied were cut off"),
        }
    }
}

impl LogWatch {
    pub(crate) fn new(database: &Path, limit: u64, trust: DiskTrust) -> Self {
        Self { path: log_of(database), limit, held: HeldReaders::default(), trust }
    }

    /// The limit in pages, at least one.
    pub(crate) fn limit_pages(&self) -> u32 {
        u32::try_from(self.limit / FRAME_BYTES).unwrap_or(u32::MAX).max(1)
    }

    /// Counts what others have written since the log had `seen` bytes, and cuts off the readers that keep a log above its
    /// limit. For one who writes nothing: who writes counts for itself.
    pub(crate) fn cut_off_readers(&self, seen: &mut u64) {
        let bytes = self.file_bytes();
        self.held.wrote(bytes.saturating_sub(*seen) / FRAME_BYTES);
        *seen = bytes;
        if bytes > self.limit {
            self.held.cut_off(u64::from(self.limit_pages() / 2));
        }
    }

    /// The size of the log's file.
    pub(crate) fn file_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |log| log.len())
    }
}

/// A page in the log, with its header.
pub(crate) const FRAME_BYTES: u64 = PAGE_BYTES as u64 + 24;
