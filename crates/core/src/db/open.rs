//! Opening a database. Everything is checked before anything is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;
use vectr_delta::{NodeName, ShardId};

use crate::file::location::log_of;
use crate::file::location::{check_kind, check_no_companion, check_single_name, resolve};
use crate::file::lock::Lock;
use crate::file::log;
use crate::file::open_files::OpenFile;
use crate::incarnation::{Continuity, Incarnation};
use crate::storage::catalog::has_counters;
use crate::storage::pragmas::{PAGE_BYTES, open_writer, set_up_writer};
use crate::storage::schema;
use crate::writer::Writer;
use crate::writer::checkpoint::Checkpointer;
use crate::writer::commit_notifier::CommitNotifier;
use crate::writer::connection::WriteConnection;
use crate::writer::durability::Durability;
use crate::writer::log_watch::LogWatch;
use crate::writer::shard::WriteShard;
use crate::{Config, CoreError};

/// A database ready to work.
pub(crate) struct Opened {
    pub(crate) writer: Writer,
    pub(crate) durability: Arc<Durability>,
    pub(crate) notifier: Arc<CommitNotifier>,
    pub(crate) held: Option<Held>,
    pub(crate) path: Option<PathBuf>,
    pub(crate) shard: ShardId,
}

/// Held while a file is open.
pub(crate) struct Held {
    _open_file: OpenFile,
    _lock: Lock,
}

pub(crate) fn open(config: &Config) -> Result<Opened, CoreError> {
    match &config.path {
        Some(path) => open_file(config, path),
        None => open_memory(config),
    }
}

fn open_memory(config: &Config) -> Result<Opened, CoreError> {
    let connection = Connection::open_in_memory()?;
    set_up_writer(&connection)?;
    schema::migrate(&connection)?;
    finish(config, connection, Incarnation::in_memory(), None, None)
}

fn open_file(config: &Config, given: &Path) -> Result<Opened, CoreError> {
    check_kind(given)?;
    let path = resolve(given)?;
    check_single_name(&path)?;
    if is_vacant(&path) {
        check_no_companion(&path)?;
    }
    schema::check_header(&path)?;
    let lock = Lock::take(&path)?;
    log::check(&path)?;
    let (open_file, connection) = OpenFile::for_writing(&path, || open_writer(&path))?;
    let opened = open_locked(config, &path, connection, Held { _open_file: open_file, _lock: lock });
    opened.map_err(|error| error.with_path(Some(&path)))
}

/// Whether there is nothing at `path` that could be a database.
fn is_vacant(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |found| found.len() == 0)
}

fn open_locked(
    config: &Config,
    path: &Path,
    connection: Connection,
    held: Held,
) -> Result<Opened, CoreError> {
    let log_was_left = fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0);
    let incarnation = Incarnation::of_file(path, config.runtime_dir.as_deref(), config.clock.is_of_system())?;
    if schema::check(&connection, path)? == 0 {
        connection.execute_batch(&format!("PRAGMA page_size = {PAGE_BYTES}; VACUUM"))?;
    }
    connection.execute_batch("PRAGMA journal_mode = WAL")?;
    set_up_writer(&connection)?;
    schema::migrate(&connection)?;
    finish(config, connection, incarnation, Some((path, log_was_left)), Some(held))
}

fn finish(
    config: &Config,
    connection: Connection,
    mut incarnation: Incarnation,
    file: Option<(&Path, bool)>,
    held: Option<Held>,
) -> Result<Opened, CoreError> {
    let path = file.map(|(path, _)| path);
    if !has_counters(&connection)? {
        let shard = config.shard.clone().map_or_else(|| shard_of_stem(path), Ok)?;
        schema::write_counters(&connection, &shard)?;
    }
    let start = |(path, log_was_left)| {
        Checkpointer::start(&connection, path, LogWatch::new(path, config.log_limit, log_was_left))
    };
    let checkpointer = file.map(start).transpose()?;
    let mut connection = WriteConnection::load(connection, config.clock.clone(), config.dimensions)?;
    let continuity = incarnation.continuity(connection.committed());
    if continuity == Continuity::Unproven {
        connection.begin_new_life()?;
    }
    let shard = config.shard.clone().unwrap_or_else(|| connection.committed().default_shard.clone());
    // After a crash, committed transactions may not be on disk yet; neither is what this opening commits.
    let durable = if continuity == Continuity::Closed { connection.committed().commit_no } else { 0 };
    connection.begin()?;
    let prepared = prepare(&mut connection, config.node.as_ref(), &shard);
    if let Err(error) = prepared.and_then(|()| connection.commit(&mut incarnation)) {
        connection.rollback();
        return Err(error);
    }
    let counters = connection.committed();
    let notifier = Arc::new(CommitNotifier::new(counters, connection.origin()));
    let writer = Writer {
        connection,
        incarnation,
        notifier: Arc::clone(&notifier),
        checkpointer,
        open: None,
        opened: Instant::now(),
        transactions: 0,
    };
    let durability = Durability::new(durable);
    Ok(Opened { writer, durability, notifier, held, path: path.map(Path::to_owned), shard })
}

fn prepare(
    connection: &mut WriteConnection,
    node: Option<&NodeName>,
    shard: &ShardId,
) -> Result<(), CoreError> {
    if let Some(node) = node {
        connection.name_node(node)?;
    }
    if let Some(given) = connection.dimensions {
        let recorded = connection.recorded_dimensions(shard)?;
        if let Some(recorded) = recorded.filter(|recorded| *recorded != given) {
            let (expected, found) = (recorded.count(), given.count());
            return Err(CoreError::Dimensions { shard: shard.clone(), expected, found });
        }
        WriteShard::open(connection, shard)?;
    }
    Ok(())
}

fn shard_of_stem(path: Option<&Path>) -> Result<ShardId, CoreError> {
    let stem = path.and_then(|path| path.file_stem()?.to_str());
    let named = stem.and_then(|stem| ShardId::new(stem).ok());
    Ok(named.map_or_else(|| ShardId::new("default"), Ok)?)
}
