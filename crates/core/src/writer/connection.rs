use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::Connection;
use vectr_delta::{
    ChangelogId, CommitNo, Cursor, Dimensions, NodeName, Origin, ShardId, SiteId, Timestamp, VectorId,
};

use crate::incarnation::Incarnation;
use crate::random::random_number;
use crate::storage::catalog::{Counters, StoredShard};
use crate::storage::json::parse_site;
use crate::storage::sites::{SiteNumbers, site_name};
use crate::storage::version_cache::VersionCache;
use crate::writer::commit_notifier::Changes;
use crate::writer::peer_notes::PeerNotes;
use crate::writer::turn::WriteTurn;
use crate::{Clock, CoreError};

/// The write connection, with a cache of the database that lives across transactions.
///
/// The cache is dropped after a rollback and where others have committed, and written once, by the commit.
pub(crate) struct WriteConnection {
    pub(crate) sqlite: Connection,
    pub(crate) clock: Clock,
    /// For shards that have none yet.
    pub(crate) dimensions: Option<Dimensions>,
    pub(crate) cache: Cache,
    /// Shared with the readers.
    pub(crate) versions: Arc<VersionCache>,
    /// What the peers were last noted to hold.
    pub(crate) notes: PeerNotes,
    /// The counter row as of the last commit.
    stored: Counters,
    /// The site and changelog of a life that has not committed yet: an opening that writes nothing takes none.
    next_life: Option<NextLife>,
    /// What `next_life` was before this transaction took another one.
    life_before: Option<Option<NextLife>>,
    /// Whether the cache must be read again, after a rollback.
    stale: bool,
    /// SQLite's number of what this connection has seen of the file: it changes with the commits of all others.
    data_version: Option<i64>,
    /// The newest commit that this connection has ever seen: what was given out is not given out again.
    newest: CommitNo,
    /// What others have done since [`WriteConnection::lock`] told of it last.
    seen: Seen,
    /// For the lock of writers.
    pub(crate) turn: WriteTurn,
    /// The row that was read last in this transaction: putting it back needs no lookup.
    pub(crate) last_read: Option<LastRead>,
    /// The greatest `sibling.row` when this transaction first inserted a row.
    pub(crate) last_sibling: Option<i64>,
    pub(crate) wall: Timestamp,
    /// When the next row will be applied: later than any before it, whatever the clock does.
    applied_at: Timestamp,
}

/// The site and changelog of a life.
pub(crate) type NextLife = (SiteId, ChangelogId);

/// What a connection finds of others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It looks for the first time.
    First,
    /// They have committed, or begun the log anew.
    Others,
    Nothing,
}

/// As of the open transaction.
pub(crate) struct Cache {
    pub(crate) counters: Counters,
    pub(crate) shards: Vec<CachedShard>,
    by_id: HashMap<ShardId, usize>,
    pub(crate) sites: SiteNumbers,
    names: HashMap<SiteId, Option<NodeName>>,
    pub(crate) cursors: HashMap<(i64, [u8; 32]), Cursor>,
    /// Whether this transaction has entered the life that begins with it.
    life_entered: bool,
    /// Whether a table other than `shard` and `counter` was written in this transaction.
    pub(crate) dirty: bool,
}

#[derive(Clone)]
pub(crate) struct CachedShard {
    pub(crate) id: ShardId,
    pub(crate) stored: StoredShard,
    /// Whether `stored` may differ from its row.
    pub(crate) changed: bool,
    /// Whether this transaction has changed what sessions tell of the shard: its rows, its state, or that it is altered.
    pub(crate) touched: bool,
}

pub(crate) struct LastRead {
    pub(crate) shard: i64,
    pub(crate) id: VectorId,
    pub(crate) n: i64,
    /// Not if it is damaged so that nothing of it can be made out.
    pub(crate) readable: bool,
}

impl WriteConnection {
    pub(crate) fn load(
        sqlite: Connection,
        clock: Clock,
        dimensions: Option<Dimensions>,
        turn: WriteTurn,
    ) -> Result<Self, CoreError> {
        let counters = Counters::load(&sqlite)?;
        Ok(Self {
            sqlite,
            clock,
            dimensions,
            cache: Cache::new(counters.clone()),
            versions: Arc::default(),
            notes: PeerNotes::default(),
            stored: counters,
            next_life: None,
            life_before: None,
            stale: false,
            data_version: None,
            newest: 0,
            seen: Seen::First,
            turn,
            last_read: None,
            last_sibling: None,
            wall: Timestamp::default(),
            applied_at: Timestamp::default(),
        })
    }

    /// Begins a transaction with SQLite's lock for writers, and returns what others have done since the last one. One that
    /// asks for the lock only at its first write fails at once if a reader holds it for a moment, as it does to look again
    /// at an index that is being written.
    ///
    /// # Errors
    /// `ERR_BUSY` if others keep the lock for long. After any error it must be rolled back.
    pub(crate) fn lock(&mut self) -> Result<Seen, CoreError> {
        self.turn.take(&self.sqlite)?;
        self.refresh()?;
        Ok(std::mem::replace(&mut self.seen, Seen::Nothing))
    }

    /// Makes ready for the work of the transaction that [`WriteConnection::lock`] has begun.
    pub(crate) fn begin(&mut self) {
        self.last_read = None;
        self.last_sibling = None;
        self.cache.dirty = false;
        self.cache.life_entered = false;
        if self.next_life.is_some() {
            self.cache.counters.origin = self.origin();
            // What is known of durable commits, and what listeners have heard, is of greater numbers.
            self.cache.counters.commit_no = self.cache.counters.commit_no.max(self.newest);
        }
        self.wall = self.clock.now();
        self.applied_at = self.wall.max(self.cache.counters.last_applied_at.next()).max(FIRST_APPLICATION);
    }

    /// The moment in which a row is applied: each has its own.
    pub(crate) const fn next_application(&mut self) -> Timestamp {
        let now = self.applied_at;
        self.applied_at = now.next();
        now
    }

    /// Reads the counters again after a rollback, and where others have committed.
    pub(crate) fn refresh(&mut self) -> Result<(), CoreError> {
        let version = self.sqlite.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        let before = self.data_version.replace(version);
        if before != Some(version) {
            self.stale = true;
            self.notes = PeerNotes::default();
            if self.seen == Seen::Nothing {
                self.seen = Seen::Others;
            }
        }
        if self.stale {
            self.newest = self.newest.max(self.stored.commit_no);
            self.stored = Counters::load(&self.sqlite)?;
            self.cache = Cache::new(self.stored.clone());
            self.stale = false;
        }
        Ok(())
    }

    /// Writes what takes no number, because no peer is told of it, in a transaction of its own. Outside of others only.
    pub(crate) fn aside<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, CoreError>,
    ) -> Result<T, CoreError> {
        self.turn.take(&self.sqlite)?;
        let done = self.refresh().and_then(|()| work(self)).and_then(|done| {
            self.run("COMMIT")?;
            Ok(done)
        });
        self.turn.pass();
        if done.is_err() {
            self.notes = PeerNotes::default();
            if !self.sqlite.is_autocommit() {
                // If this fails, SQLite has rolled back by itself.
                let _ = self.sqlite.execute_batch("ROLLBACK");
            }
        }
        done
    }

    /// Commits what was written, and returns what that has changed; `None` if there was nothing. A transaction that
    /// changed nothing takes no number, so that nobody waits for it to become durable. After an error it must be rolled
    /// back.
    pub(crate) fn commit(&mut self, incarnation: &mut Incarnation) -> Result<Option<Changes>, CoreError> {
        let counters_changed = match self.next_life {
            None => self.cache.counters != self.stored,
            Some(_) => {
                let commit_no = self.stored.commit_no.max(self.newest);
                self.cache.counters != Counters { origin: self.origin(), commit_no, ..self.stored.clone() }
            }
        };
        let mut changed = self.cache.dirty || counters_changed;
        let mut touched = Vec::new();
        for shard in self.cache.shards.iter_mut().filter(|shard| shard.changed || shard.touched) {
            // Also where only rows were marked: by the moment of its row others see that the shard has changed.
            shard.stored.store(&self.sqlite, &self.versions, self.applied_at)?;
            changed = true;
            (shard.changed, shard.touched) = (false, false);
            touched.push(shard.id.clone());
        }
        if !changed {
            self.sqlite.prepare_cached("ROLLBACK")?.execute([])?;
            return Ok(None);
        }
        self.enter_life()?;
        let begins_life = self.next_life.is_some();
        let counters = &mut self.cache.counters;
        counters.commit_no += 1;
        counters.last_applied_at = self.applied_at;
        if incarnation.draw_token(counters, begins_life)? {
            // Not NULL, which says that an earlier build wrote the row.
            Counters::store_former_token(&self.sqlite, self.stored.token.as_deref().unwrap_or_default())?;
        }
        counters.store(&self.sqlite)?;
        self.sqlite.prepare_cached("COMMIT")?.execute([])?;
        self.turn.pass();
        self.versions.settle(true);
        incarnation.record_commit(counters);
        let changes = if counters.origin == self.stored.origin { Changes::Of(touched) } else { Changes::All };
        self.stored = counters.clone();
        (self.next_life, self.life_before) = (None, None);
        Ok(Some(changes))
    }

    /// Rolls the transaction back, and drops the cache.
    pub(crate) fn rollback(&mut self) {
        // Before another one can give the moments of this transaction to its own.
        self.versions.settle(false);
        if !self.sqlite.is_autocommit() {
            // If this fails, SQLite has rolled back by itself.
            let _ = self.sqlite.execute_batch("ROLLBACK");
        }
        self.turn.pass();
        if let Some(before) = self.life_before.take() {
            self.next_life = before;
        }
        self.forget();
    }

    /// Marks the cache as stale.
    pub(crate) fn forget(&mut self) {
        self.versions.settle(false);
        self.stale = true;
        self.last_read = None;
    }

    /// Runs `work` in a savepoint of the open transaction: all of it takes effect, or none.
    pub(crate) fn within<T, E: From<CoreError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let before = self.cache.savepoint();
        self.run("SAVEPOINT work")?;
        self.last_read = None;
        match work(self) {
            Ok(done) => {
                self.run("RELEASE work")?;
                Ok(done)
            }
            Err(error) => {
                if !self.sqlite.is_autocommit() {
                    self.run("ROLLBACK TO work")?;
                    self.run("RELEASE work")?;
                }
                self.cache.restore(before);
                self.last_read = None;
                Err(error)
            }
        }
    }

    /// The index of a shard in the cache; creates the shard if it does not exist.
    pub(crate) fn cached_shard(&mut self, id: &ShardId) -> Result<usize, CoreError> {
        let index = match self.cache.by_id.entry(id.clone()) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let stored = match StoredShard::load(&self.sqlite, &self.versions, id)? {
                    Some(stored) => stored,
                    None => {
                        self.cache.dirty = true;
                        StoredShard::create(&self.sqlite, id)?
                    }
                };
                self.cache.shards.push(CachedShard {
                    id: id.clone(),
                    stored,
                    changed: false,
                    touched: false,
                });
                *entry.insert(self.cache.shards.len() - 1)
            }
        };
        let shard = &mut self.cache.shards[index];
        let dimensions = &mut shard.stored.state.descriptor.dimensions;
        if dimensions.is_none() && self.dimensions.is_some() {
            *dimensions = self.dimensions;
            shard.changed = true;
        }
        Ok(index)
    }

    /// As of the last commit.
    pub(crate) const fn committed(&self) -> &Counters {
        &self.stored
    }

    /// Who writes: as of the last commit, or of the life that the next one begins.
    pub(crate) fn origin(&self) -> Origin {
        let mut origin = self.stored.origin.clone();
        if let Some((site, changelog)) = self.next_life {
            (origin.site, origin.changelog) = (site, changelog);
        }
        origin
    }

    /// Lets the next commit begin a new life, with a new site and changelog. Outside of transactions only.
    pub(crate) fn begin_new_life(&mut self) -> Result<(), CoreError> {
        self.next_life = Some((SiteId::new(random_number()?), ChangelogId::new(random_number()?)));
        Ok(())
    }

    /// Whether the file has fewer commits than this connection has seen in it, or than are `known` to others.
    pub(crate) fn has_lost(&mut self, known: CommitNo) -> bool {
        self.newest = self.newest.max(known);
        self.stored.commit_no < self.newest
    }

    /// The life that was to begin is not needed: the file is in one already.
    pub(crate) const fn stay_in_life(&mut self) {
        self.next_life = None;
    }

    /// Lets the next commit begin a new life, unless it does so already.
    pub(crate) fn need_new_life(&mut self) -> Result<(), CoreError> {
        if self.next_life.is_some() { Ok(()) } else { self.begin_new_life() }
    }

    /// Begins a new life in this transaction, which writes more than that: if it is rolled back, so is the life.
    pub(crate) fn take_new_life(&mut self) -> Result<(), CoreError> {
        self.life_before = Some(self.next_life);
        self.begin_new_life()?;
        self.cache.counters.origin = Origin { node: self.cache.counters.origin.node.take(), ..self.origin() };
        self.cache.life_entered = false;
        self.enter_life()
    }

    /// Stores the life that begins in this transaction, if one does, and ends the sync session of the former one. Its
    /// site stays marked as this database's own, and its versions stay as they are.
    pub(crate) fn enter_life(&mut self) -> Result<(), CoreError> {
        if self.next_life.is_none() || self.cache.life_entered {
            return Ok(());
        }
        self.cache.life_entered = true;
        let Origin { site, node, .. } = self.cache.counters.origin.clone();
        let number = self.intern(site)?;
        self.sqlite.prepare_cached("UPDATE site SET own = 1 WHERE n = ?1")?.execute([number])?;
        self.run("DELETE FROM sync_session")?;
        // Lost changes of the former site are no changes of this one.
        self.run("DELETE FROM altered WHERE present = 0")?;
        self.cache.dirty = true;
        match node {
            Some(node) => self.name_site(site, &node),
            None => Ok(()),
        }
    }

    /// Names the node. `ERR_NODE_ID` if it has another name.
    pub(crate) fn name_node(&mut self, name: &NodeName) -> Result<(), CoreError> {
        let origin = &mut self.cache.counters.origin;
        match &origin.node {
            Some(recorded) if recorded == name => Ok(()),
            Some(recorded) => Err(CoreError::NodeId { recorded: recorded.clone(), given: name.clone() }),
            None => {
                origin.node = Some(name.clone());
                let site = origin.site;
                self.name_site(site, name)
            }
        }
    }

    /// The dimensions that a shard has already.
    pub(crate) fn recorded_dimensions(&self, id: &ShardId) -> Result<Option<Dimensions>, CoreError> {
        let stored = StoredShard::load(&self.sqlite, &self.versions, id)?;
        Ok(stored.and_then(|stored| stored.state.descriptor.dimensions))
    }

    /// The sites of this database's former lives.
    pub(crate) fn former_sites(&self) -> Result<BTreeSet<SiteId>, CoreError> {
        let mut statement = self.sqlite.prepare_cached("SELECT site FROM site WHERE own = 1")?;
        let sites = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut own = sites.map(|site| parse_site(&site?)).collect::<Result<BTreeSet<_>, _>>()?;
        own.remove(&self.cache.counters.origin.site);
        Ok(own)
    }

    /// The number of a site; assigned now if it has none.
    pub(crate) fn intern(&mut self, site: SiteId) -> Result<i64, CoreError> {
        let (number, new) = self.cache.sites.intern(&self.sqlite, site)?;
        self.cache.dirty |= new;
        Ok(number)
    }

    pub(crate) fn site_name(&self, site: SiteId) -> Result<Option<NodeName>, CoreError> {
        match self.cache.names.get(&site) {
            Some(name) => Ok(name.clone()),
            None => site_name(&self.sqlite, site),
        }
    }

    /// Records the name of a site's node.
    pub(crate) fn name_site(&mut self, site: SiteId, name: &NodeName) -> Result<(), CoreError> {
        if self.site_name(site)?.as_ref() != Some(name) {
            let number = self.intern(site)?;
            self.sqlite
                .prepare_cached("UPDATE site SET name = ?2 WHERE n = ?1")?
                .execute((number, name.as_str()))?;
            self.cache.dirty = true;
        }
        self.cache.names.insert(site, Some(name.clone()));
        Ok(())
    }

    pub(crate) fn run(&self, sql: &str) -> Result<(), CoreError> {
        self.sqlite.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

/// Smaller numbers are milliseconds when a caller passes them as a timestamp.
pub(crate) const FIRST_APPLICATION: Timestamp = Timestamp::from_micros(100_000_000_000_001);

/// What a savepoint brings back. All else is read from the file again: copying it would cost what it holds.
struct Savepoint {
    counters: Counters,
    shards: Vec<CachedShard>,
    life_entered: bool,
    dirty: bool,
}

impl Cache {
    fn savepoint(&self) -> Savepoint {
        let Self { counters, shards, life_entered, dirty, .. } = self;
        Savepoint {
            counters: counters.clone(),
            shards: shards.clone(),
            life_entered: *life_entered,
            dirty: *dirty,
        }
    }

    fn restore(&mut self, before: Savepoint) {
        let Savepoint { counters, shards, life_entered, dirty } = before;
        let by_id = shards.iter().enumerate().map(|(index, shard)| (shard.id.clone(), index)).collect();
        *self = Self { shards, by_id, life_entered, dirty, ..Self::new(counters) };
    }

    fn new(counters: Counters) -> Self {
        Self {
            counters,
            shards: Vec::new(),
            by_id: HashMap::new(),
            sites: SiteNumbers::default(),
            names: HashMap::new(),
            cursors: HashMap::new(),
            life_entered: false,
            dirty: false,
        }
    }
}
