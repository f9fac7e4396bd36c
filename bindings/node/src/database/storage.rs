use napi_derive::napi;
use vectr_core::StorageStatistics;

use crate::columns::number;

/// What a database takes on the disk.
#[napi(object, object_from_js = false)]
pub struct StorageRecord {
    /// Of the file.
    pub file_bytes: i64,
    /// Of the write-ahead log.
    pub log_bytes: i64,
    /// At which readers are cut off.
    pub log_limit_bytes: i64,
    /// Queries and iterations that hold a snapshot.
    pub readers_held: u32,
    /// How many were cut off.
    pub readers_cut_off: i64,
    /// Why nothing more becomes durable.
    pub fault: Option<String>,
}

impl From<StorageStatistics> for StorageRecord {
    fn from(statistics: StorageStatistics) -> Self {
        Self {
            file_bytes: number(statistics.file_bytes),
            log_bytes: number(statistics.log_bytes),
            log_limit_bytes: number(statistics.log_limit),
            readers_held: statistics.readers_held.try_into().unwrap_or(u32::MAX),
            readers_cut_off: number(statistics.readers_cut_off),
            fault: statistics.fault,
        }
    }
}
