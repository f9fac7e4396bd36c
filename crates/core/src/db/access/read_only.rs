//! Opening a file for reading only.
//!
//! The opening is no node and takes no part in `<path>.lock`: whoever has a part in it counts as one who writes, and a
//! writer must be able to find itself alone. Nothing is created beside the file, and SQLite's locks say what may be taken
//! back of the log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vectr_delta::{DeltaError, NodeName, ShardId, ShardRead};

use crate::file::location::{FileNumber, beside, check_kind, check_single_name};
use crate::file::log;
use crate::storage::catalog::{Counters, is_begun};
use crate::storage::reader_pool::ReaderPool;
use crate::storage::schema;
use crate::storage::snapshot::Snapshot;
use crate::storage::version_cache::VersionCache;
use crate::writer::commit_notifier::CommitNotifier;
use crate::writer::disk_trust::DiskTrust;
use crate::writer::follower::ReadFollower;
use crate::writer::log_watch::LogWatch;
use crate::{Config, CoreError};

/// A file that is open for reading only.
pub(crate) struct ReadOnly {
    pub(crate) readers: Arc<ReaderPool>,
    /// Publishes the commits of others while somebody listens.
    pub(crate) follower: ReadFollower,
}

/// What an opening has found.
pub(crate) struct OpenedForReading {
    pub(crate) path: PathBuf,
    pub(crate) shard: ShardId,
    pub(crate) notifier: Arc<CommitNotifier>,
    pub(crate) versions: Arc<VersionCache>,
    pub(crate) access: ReadOnly,
}

pub(crate) fn open_read_only(config: &Config) -> Result<OpenedForReading, CoreError> {
    let Some(given) = &config.path else {
        let reason = "a database in memory has nothing to read: give a path".to_owned();
        return Err(DeltaError::Argument { what: "read_only", reason }.into());
    };
    if !given.exists() {
        return Err(CoreError::NoFile { path: given.to_owned(), what: "not there" });
    }
    check_kind(given)?;
    let path = std::fs::canonicalize(given).map_err(CoreError::io(given))?;
    check_single_name(&path)?;
    schema::check_header(&path)?;
    log::check_in_use(&path)?;
    let empty = || CoreError::NoFile { path: path.clone(), what: "empty" };
    if beside(&path, "-journal").exists() {
        // Only the opening that makes a file has such a journal, and this one was interrupted.
        return Err(empty());
    }
    let number = FileNumber::of(&path).map_err(CoreError::io(&path))?;
    let log = LogWatch::new(&path, config.log_limit, DiskTrust::new(None, false));
    let readers = Arc::new(ReaderPool::read_only(&path, number, Arc::new(log)));
    let versions = Arc::<VersionCache>::default();
    let looked = readers.with(|reader| {
        if !is_begun(&reader.connection)? {
            return Err(empty());
        }
        let snapshot = reader.snapshot(&versions, None)?;
        let counters = snapshot.counters().clone();
        let shard = config.shard.clone().unwrap_or_else(|| counters.default_shard.clone());
        check_node(config.node.as_ref(), &counters, &path)?;
        check_dimensions(config, &snapshot, &shard)?;
        Ok((counters, shard))
    });
    let (counters, shard) = looked.map_err(|error| error.with_path(Some(&path)))?;
    let notifier = Arc::new(CommitNotifier::new(&counters, counters.origin.clone()));
    let follower = ReadFollower::new(Arc::clone(&readers), Arc::clone(&notifier));
    Ok(OpenedForReading { path, shard, notifier, versions, access: ReadOnly { readers, follower } })
}

fn check_node(given: Option<&NodeName>, counters: &Counters, path: &Path) -> Result<(), CoreError> {
    match (given, &counters.origin.node) {
        (Some(given), Some(recorded)) if given != recorded => {
            Err(CoreError::NodeId { recorded: recorded.clone(), given: given.clone() })
        }
        // The name would have to be written.
        (Some(_), None) => Err(CoreError::ReadOnly { path: path.to_owned() }),
        _ => Ok(()),
    }
}

fn check_dimensions(config: &Config, snapshot: &Snapshot<'_>, shard: &ShardId) -> Result<(), CoreError> {
    let recorded = snapshot.shard(shard)?.state().descriptor.dimensions;
    match (config.dimensions, recorded) {
        (Some(given), Some(recorded)) if given != recorded => {
            let (expected, found) = (recorded.count(), given.count());
            Err(CoreError::Dimensions { shard: shard.clone(), expected, found })
        }
        _ => Ok(()),
    }
}
