//! Opening a database. Everything is checked before anything is written.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;
use vectr_delta::{DeltaError, NodeName, ShardId};

use crate::incarnation::lock::Lock;
use crate::incarnation::{Incarnation, LastShutdown};
use crate::storage::catalog::has_counters;
use crate::storage::pragmas::{PAGE_BYTES, open_writer, set_up_writer};
use crate::storage::schema;
use crate::writer::Writer;
use crate::writer::checkpoint::Checkpointer;
use crate::writer::commit_notifier::CommitNotifier;
use crate::writer::connection::WriteConnection;
use crate::writer::durability::Durability;
use crate::writer::log_rewrite::log_path;
use crate::writer::log_watch::LogWatch;
use crate::writer::shard::WriteShard;
use crate::{Config, CoreError};

/// A database ready to work.
pub(crate) struct Opened {
    pub(crate) writer: Writer,
    pub(crate) durability: Arc<Durability>,
    pub(crate) notifier: Arc<CommitNotifier>,
    pub(crate) lock: Option<Lock>,
    pub(crate) path: Option<PathBuf>,
    pub(crate) shard: ShardId,
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
    check_file(given)?;
    let path = canonicalize(given)?;
    let lock = Lock::take(&path)?;
    let opened = open_locked(config, &path, lock);
    opened.map_err(|error| error.with_path(Some(&path)))
}

fn open_locked(config: &Config, path: &Path, lock: Lock) -> Result<Opened, CoreError> {
    let log_was_left = fs::metadata(log_path(path)).is_ok_and(|log| log.len() > 0);
    let connection = open_writer(path)?;
    if schema::check(&connection, path)? == 0 {
        connection.execute_batch(&format!("PRAGMA page_size = {PAGE_BYTES}; VACUUM"))?;
    }
    connection.execute_batch("PRAGMA journal_mode = WAL")?;
    set_up_writer(&connection)?;
    schema::migrate(&connection)?;
    let incarnation = Incarnation::of_file(path, config.state_dir.clone());
    finish(config, connection, incarnation, Some((path, log_was_left)), Some(lock))
}

fn finish(
    config: &Config,
    mut connection: Connection,
    mut incarnation: Incarnation,
    file: Option<(&Path, bool)>,
    lock: Option<Lock>,
) -> Result<Opened, CoreError> {
    let path = file.map(|(path, _)| path);
    if !has_counters(&connection)? {
        let shard = config.shard.clone().map_or_else(|| shard_of_stem(path), Ok)?;
        schema::write_counters(&connection, &shard)?;
    }
    let start = |(path, log_was_left)| {
        Checkpointer::start(&mut connection, path, LogWatch::new(path, config.log_limit, log_was_left))
    };
    let checkpointer = file.map(start).transpose()?;
    let mut connection = WriteConnection::load(connection, config.clock.clone(), config.dimensions)?;
    let last_shutdown = incarnation.last_shutdown(connection.committed());
    let shard = config.shard.clone().unwrap_or_else(|| connection.committed().default_shard.clone());
    // After a crash, committed transactions may not be on disk yet; neither is what this opening commits.
    let durable = if last_shutdown == LastShutdown::Clean { connection.committed().commit_no } else { 0 };
    connection.begin()?;
    let prepared = prepare(&mut connection, last_shutdown, config.node.as_ref(), &shard);
    if let Err(error) = prepared.and_then(|()| connection.commit(&mut incarnation)) {
        connection.rollback();
        return Err(error);
    }
    let counters = connection.committed();
    let notifier = Arc::new(CommitNotifier::new(counters.commit_no, counters.origin.clone()));
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
    Ok(Opened { writer, durability, notifier, lock, path: path.map(Path::to_owned), shard })
}

fn prepare(
    connection: &mut WriteConnection,
    last_shutdown: LastShutdown,
    node: Option<&NodeName>,
    shard: &ShardId,
) -> Result<(), CoreError> {
    if last_shutdown == LastShutdown::Unknown {
        connection.take_new_site()?;
    }
    if let Some(node) = node {
        connection.name_node(node)?;
    }
    if let Some(given) = connection.dimensions {
        let recorded = connection.recorded_dimensions(shard)?;
        if let Some(recorded) = recorded.filter(|recorded| *recorded != given) {
            let (expected, found) = (recorded.count(), given.count());
            return Err(DeltaError::Dimensions { expected, found }.into());
        }
        WriteShard::open(connection, shard)?;
    }
    Ok(())
}

/// Checks a file without SQLite, which could leave a log beside a file that is not ours.
pub(crate) fn check_file(path: &Path) -> Result<(), CoreError> {
    let refuse = |what| Err(CoreError::NoFile { path: path.to_owned(), what });
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => refuse("a folder"),
        Ok(found) if !found.is_file() => refuse("not a regular file"),
        Ok(_) => {
            let mut head = Vec::new();
            let file = File::open(path).map_err(CoreError::io(path))?;
            file.take(100).read_to_end(&mut head).map_err(CoreError::io(path))?;
            schema::check_head(&head, path)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => match path.file_name() {
            Some(_) if !path.as_os_str().is_empty() => Ok(()),
            _ => refuse("not a file name"),
        },
        Err(error) => Err(CoreError::Io { path: path.to_owned(), source: error }),
    }
}

/// One path for every spelling of the file, so that all take the same lock. Creates missing folders.
fn canonicalize(path: &Path) -> Result<PathBuf, CoreError> {
    if path.exists() {
        return fs::canonicalize(path).map_err(CoreError::io(path));
    }
    let absolute = std::path::absolute(path).map_err(CoreError::io(path))?;
    let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(CoreError::NoFile { path: path.to_owned(), what: "not a file name" });
    };
    fs::create_dir_all(folder).map_err(CoreError::io(folder))?;
    Ok(fs::canonicalize(folder).map_err(CoreError::io(folder))?.join(name))
}

fn shard_of_stem(path: Option<&Path>) -> Result<ShardId, CoreError> {
    let stem = path.and_then(|path| path.file_stem()?.to_str());
    let named = stem.and_then(|stem| ShardId::new(stem).ok());
    Ok(named.map_or_else(|| ShardId::new("default"), Ok)?)
}
