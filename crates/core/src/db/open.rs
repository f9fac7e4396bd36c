//! Opening a database. Everything is checked before anything is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;
use vectr_delta::{NodeName, ShardId};

use crate::file::location::log_of;
use crate::file::location::{FileNumber, check_kind, check_no_companion, check_single_name, resolve};
use crate::file::log;
use crate::file::open_files::OpenFile;
use crate::file::presence::{Company, Presence, open_elsewhere};
use crate::incarnation::{Continuity, Incarnation};
use crate::storage::catalog::has_counters;
use crate::storage::pragmas::{PAGE_BYTES, open_writer, set_up_writer};
use crate::storage::schema;
use crate::writer::Writer;
use crate::writer::checkpoint::Checkpointer;
use crate::writer::commit_notifier::CommitNotifier;
use crate::writer::connection::WriteConnection;
use crate::writer::disk_trust::DiskTrust;
use crate::writer::durability::Durability;
use crate::writer::follower::CommitFollower;
use crate::writer::log_watch::LogWatch;
use crate::writer::shard::WriteShard;
use crate::writer::turn::WriteTurn;
use crate::{Config, CoreError};

/// A database ready to work.
pub(crate) struct Opened {
    pub(crate) writer: Writer,
    pub(crate) durability: Arc<Durability>,
    pub(crate) notifier: Arc<CommitNotifier>,
    pub(crate) held: Option<Held>,
    /// `None` in memory.
    pub(crate) follower: Option<CommitFollower>,
    pub(crate) presence: Option<Arc<Presence>>,
    pub(crate) path: Option<PathBuf>,
    pub(crate) shard: ShardId,
}

/// Held while a file is open.
pub(crate) struct Held {
    _open_file: OpenFile,
    presence: Arc<Presence>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.presence.release();
    }
}

/// A file that is being opened.
struct Opening<'p> {
    path: &'p Path,
    presence: Arc<Presence>,
    company: Company,
    number: Option<FileNumber>,
    /// Whether the log had something in it.
    log_was_left: bool,
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
    finish(config, connection, Incarnation::in_memory(), None)
}

fn open_file(config: &Config, given: &Path) -> Result<Opened, CoreError> {
    check_kind(given)?;
    let path = resolve(given)?;
    check_single_name(&path)?;
    if is_vacant(&path) {
        check_no_companion(&path)?;
    }
    schema::check_header(&path)?;
    let (presence, company) = Presence::enter(&path, config.busy_timeout)?;
    let check_same = || {
        let number = FileNumber::of(&path).map_err(CoreError::io(&path))?;
        let same = !is_vacant(&path) && !presence.is_of_another(number);
        if same || company == Company::Alone { Ok(number) } else { Err(open_elsewhere(&path)) }
    };
    check_same()?;
    if company == Company::Alone {
        log::check(&path)?;
    }
    let (open_file, connection) = OpenFile::for_writing(&path, || open_writer(&path))?;
    // SQLite has read nothing yet, and would delete the log of those who have the file open if the file were empty.
    let number = check_same()?;
    let log_was_left = fs::metadata(log_of(&path)).is_ok_and(|log| log.len() > 0);
    let presence = Arc::new(presence);
    let held = Held { _open_file: open_file, presence: Arc::clone(&presence) };
    let opening = Opening { path: &path, presence, company, number, log_was_left };
    let opened = open_in_company(config, connection, &opening);
    let opened = opened.map(|opened| Opened { held: Some(held), ..opened });
    opened.map_err(|error| error.with_path(Some(&path)))
}

/// Whether there is nothing at `path` that could be a database.
fn is_vacant(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |found| found.len() == 0)
}

fn open_in_company(
    config: &Config,
    connection: Connection,
    opening: &Opening<'_>,
) -> Result<Opened, CoreError> {
    let Opening { path, presence, company, .. } = opening;
    let incarnation = Incarnation::of_file(path, config, Arc::clone(presence), *company)?;
    let version = schema::check(&connection, path)?;
    if *company == Company::Alone {
        if version == 0 {
            connection.execute_batch(&format!("PRAGMA page_size = {PAGE_BYTES}; VACUUM"))?;
        }
        connection.execute_batch("PRAGMA journal_mode = WAL")?;
    } else if !schema::is_current(version) {
        let reason =
            "an earlier build has it open, and this one must migrate it first: close it there".to_owned();
        return Err(CoreError::Busy { what: format!("'{}'", path.display()), reason });
    }
    set_up_writer(&connection)?;
    if *company == Company::Alone {
        schema::migrate(&connection)?;
    }
    finish(config, connection, incarnation, Some(opening))
}

fn finish(
    config: &Config,
    connection: Connection,
    incarnation: Incarnation,
    opening: Option<&Opening<'_>>,
) -> Result<Opened, CoreError> {
    let path = opening.map(|opening| opening.path);
    let alone = opening.is_none_or(|opening| opening.company == Company::Alone);
    if !has_counters(&connection)? {
        let shard = config.shard.clone().map_or_else(|| shard_of_stem(path), Ok)?;
        schema::write_counters(&connection, &shard)?;
    }
    let checkpointer = opening.map(|opening| start_checkpointer(config, opening)).transpose()?;
    let file = opening.map(|opening| (opening.path.to_owned(), Arc::clone(&opening.presence)));
    let turn = WriteTurn::new(file, config.busy_timeout);
    let connection = WriteConnection::load(connection, config.clock.clone(), config.dimensions, turn)?;
    let counters = connection.committed();
    let was_closed = alone && incarnation.prove(counters) == Continuity::Closed;
    // After a crash, committed transactions may not be on disk yet; neither is what this opening commits.
    let durable = if was_closed { counters.commit_no } else { 0 };
    let shard = config.shard.clone().unwrap_or_else(|| counters.default_shard.clone());
    let notifier = Arc::new(CommitNotifier::new(counters, connection.origin()));
    let mut writer = Writer {
        connection,
        incarnation,
        notifier: Arc::clone(&notifier),
        checkpointer,
        presence: opening.map(|opening| Arc::clone(&opening.presence)),
        unsynced: false,
        open: None,
        opened: Instant::now(),
        transactions: 0,
    };
    // Beside others it may take long to get the lock of writers.
    if alone || !is_prepared(&writer.connection, config.node.as_ref(), &shard)? {
        writer.write(|connection| prepare(connection, config.node.as_ref(), &shard))?;
    } else if !writer.incarnation.join(writer.connection.committed()) {
        // Its first commit finds out whether another one has begun it.
        writer.connection.need_new_life()?;
    }
    notifier.begin_with(writer.connection.origin());
    if let Some(opening) = opening.filter(|_| alone) {
        writer.incarnation.admit_others();
        opening.presence.admit_others(opening.number)?;
    }
    let follow = |path| CommitFollower::start(path, Arc::clone(&notifier));
    let follower = path.map(follow).transpose()?;
    Ok(Opened {
        writer,
        durability: Durability::new(durable),
        notifier,
        held: None,
        follower,
        presence: opening.map(|opening| Arc::clone(&opening.presence)),
        path: path.map(Path::to_owned),
        shard,
    })
}

fn start_checkpointer(config: &Config, opening: &Opening<'_>) -> Result<Checkpointer, CoreError> {
    let presence = Arc::clone(&opening.presence);
    let trust = match opening.company {
        Company::Alone => DiskTrust::new(Some(presence), opening.log_was_left),
        Company::Joined => DiskTrust::joining(presence),
    };
    Checkpointer::start(opening.path, LogWatch::new(opening.path, config.log_limit, trust))
}

/// Whether [`prepare`] would find nothing to do.
fn is_prepared(
    connection: &WriteConnection,
    node: Option<&NodeName>,
    shard: &ShardId,
) -> Result<bool, CoreError> {
    let named = node.is_none_or(|node| connection.committed().origin.node.as_ref() == Some(node));
    let given = connection.dimensions;
    Ok(named && (given.is_none() || connection.recorded_dimensions(shard)? == given))
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
