use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;
use vectr_delta::{ChangelogId, Cursor, Dimensions, NodeName, ShardId, SiteId, Timestamp, VectorId};

use crate::incarnation::Identity;
use crate::random::random_number;
use crate::storage::catalog::{Counters, StoredShard};
use crate::storage::json::parse_site;
use crate::storage::rows::integer;
use crate::storage::sites::{SiteNumbers, site_name};
use crate::writer::shard::WriteShard;
use crate::{Clock, CoreError};

/// The write connection, and what is known of the database between its transactions.
///
/// Everything known is forgotten after a rollback, and is stored once, by the commit.
pub(crate) struct Ledger {
    pub(crate) connection: Connection,
    pub(crate) clock: Clock,
    /// Of shards without any.
    pub(crate) dimensions: Option<Dimensions>,
    pub(crate) known: Known,
    /// What the counter row holds.
    stored: Counters,
    /// A rollback may have left the counters unread.
    stale: bool,
    /// The row that was read last in this transaction, so that putting it needs no search.
    pub(crate) found: Option<Found>,
    pub(crate) wall: Timestamp,
    /// When the next row will be applied: later than any before it, whatever the clock does.
    applied_at: Timestamp,
}

/// As of the open transaction.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) counters: Counters,
    pub(crate) shards: Vec<KnownShard>,
    by_id: HashMap<ShardId, usize>,
    pub(crate) sites: SiteNumbers,
    names: HashMap<SiteId, Option<NodeName>>,
    pub(crate) cursors: HashMap<(i64, [u8; 32]), Cursor>,
    /// Whether a table other than `shard` and `counter` was written in this transaction.
    pub(crate) touched: bool,
}

#[derive(Clone)]
pub(crate) struct KnownShard {
    pub(crate) id: ShardId,
    pub(crate) stored: StoredShard,
    /// Whether `stored` may differ from its row.
    pub(crate) changed: bool,
}

pub(crate) struct Found {
    pub(crate) shard: i64,
    pub(crate) id: VectorId,
    pub(crate) n: i64,
}

impl Ledger {
    pub(crate) fn load(
        connection: Connection,
        clock: Clock,
        dimensions: Option<Dimensions>,
    ) -> Result<Self, CoreError> {
        let counters = Counters::load(&connection)?;
        Ok(Self {
            connection,
            clock,
            dimensions,
            known: Known::new(counters.clone()),
            stored: counters,
            stale: false,
            found: None,
            wall: Timestamp::default(),
            applied_at: Timestamp::default(),
        })
    }

    /// Begins a transaction. It takes no lock before its first write.
    pub(crate) fn begin(&mut self) -> Result<(), CoreError> {
        self.refresh()?;
        self.connection.prepare_cached("BEGIN")?.execute([])?;
        self.found = None;
        self.known.touched = false;
        self.wall = self.clock.now();
        self.applied_at = self.wall.max(self.known.counters.last_applied_at.next()).max(FIRST_APPLICATION);
        Ok(())
    }

    /// The moment in which a row is applied: each has its own.
    pub(crate) const fn next_application(&mut self) -> Timestamp {
        let now = self.applied_at;
        self.applied_at = now.next();
        now
    }

    /// Reads the counters again where a rollback has left them unread.
    pub(crate) fn refresh(&mut self) -> Result<(), CoreError> {
        if self.stale {
            self.stored = Counters::load(&self.connection)?;
            self.known = Known::new(self.stored.clone());
            self.stale = false;
        }
        Ok(())
    }

    /// Commits what was written, and says whether that was anything. A transaction that changed nothing takes no
    /// number, so that nobody waits for it to become durable. After an error it must be rolled back.
    pub(crate) fn commit(&mut self, identity: &mut Identity) -> Result<bool, CoreError> {
        let mut changed = self.known.touched || self.known.counters != self.stored;
        for shard in self.known.shards.iter_mut().filter(|shard| shard.changed) {
            shard.stored.store(&self.connection, self.applied_at)?;
            shard.changed = false;
            changed = true;
        }
        if !changed {
            self.connection.prepare_cached("ROLLBACK")?.execute([])?;
            return Ok(false);
        }
        let counters = &mut self.known.counters;
        counters.commit_no += 1;
        counters.last_applied_at = self.applied_at;
        identity.before_write(counters, self.stored.change_id)?;
        counters.store(&self.connection)?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.stored = counters.clone();
        Ok(true)
    }

    /// Takes the transaction back, and forgets what was known in it.
    pub(crate) fn rollback(&mut self) {
        if !self.connection.is_autocommit() {
            // SQLite rolls back by itself what it cannot roll back on demand.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.forget();
    }

    /// What is known may no longer be so.
    pub(crate) fn forget(&mut self) {
        self.stale = true;
        self.found = None;
    }

    /// Does `work` wholly or not at all inside an open transaction.
    pub(crate) fn within<T, E: From<CoreError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let before = self.known.clone();
        self.run("SAVEPOINT work")?;
        self.found = None;
        match work(self) {
            Ok(done) => {
                self.run("RELEASE work")?;
                Ok(done)
            }
            Err(error) => {
                if !self.connection.is_autocommit() {
                    self.run("ROLLBACK TO work")?;
                    self.run("RELEASE work")?;
                }
                self.known = before;
                self.found = None;
                Err(error)
            }
        }
    }

    /// A shard to write to, made where it does not exist.
    pub(crate) fn shard(&mut self, id: &ShardId) -> Result<WriteShard<'_>, CoreError> {
        let at = match self.known.by_id.entry(id.clone()) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let stored = match StoredShard::load(&self.connection, id)? {
                    Some(stored) => stored,
                    None => {
                        self.known.touched = true;
                        StoredShard::create(&self.connection, id)?
                    }
                };
                self.known.shards.push(KnownShard { id: id.clone(), stored, changed: false });
                *entry.insert(self.known.shards.len() - 1)
            }
        };
        let shard = &mut self.known.shards[at];
        let dimensions = &mut shard.stored.state.descriptor.dimensions;
        if dimensions.is_none() && self.dimensions.is_some() {
            *dimensions = self.dimensions;
            shard.changed = true;
        }
        Ok(WriteShard::new(self, at))
    }

    /// As of the last commit.
    pub(crate) const fn committed(&self) -> &Counters {
        &self.stored
    }

    /// Takes a new site and changelog, and ends the session; the former site stays marked as this database's own.
    pub(crate) fn take_new_site(&mut self) -> Result<(), CoreError> {
        let site = SiteId::new(random_number()?);
        let number = self.intern(site)?;
        self.connection.prepare_cached("UPDATE site SET own = 1 WHERE n = ?1")?.execute([number])?;
        self.run("DELETE FROM sync_session")?;
        let origin = &mut self.known.counters.origin;
        origin.site = site;
        origin.changelog = ChangelogId::new(random_number()?);
        if let Some(node) = origin.node.clone() {
            self.name_site(site, &node)?;
        }
        Ok(())
    }

    /// Records what people call the node. Another name than the recorded one: `ERR_NODE_ID`.
    pub(crate) fn name_node(&mut self, name: &NodeName) -> Result<(), CoreError> {
        let origin = &mut self.known.counters.origin;
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
        let stored = StoredShard::load(&self.connection, id)?;
        Ok(stored.and_then(|stored| stored.state.descriptor.dimensions))
    }

    /// The sites of this database's former lives.
    pub(crate) fn former_sites(&self) -> Result<BTreeSet<SiteId>, CoreError> {
        let mut statement = self.connection.prepare_cached("SELECT site FROM site WHERE own = 1")?;
        let sites = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut own = sites.map(|site| parse_site(&site?)).collect::<Result<BTreeSet<_>, _>>()?;
        own.remove(&self.known.counters.origin.site);
        Ok(own)
    }

    /// Remembers when a shard was synced, outside of transactions: nothing that peers hear of depends on it.
    pub(crate) fn note_sync(&mut self, id: &ShardId, at: Timestamp) -> Result<(), CoreError> {
        let mut statement =
            self.connection.prepare_cached("UPDATE shard SET last_sync_at = ?2 WHERE id = ?1")?;
        statement.execute((id.as_str(), integer(at.as_micros())))?;
        Ok(())
    }

    /// The number of a site, given out where it has none.
    pub(crate) fn intern(&mut self, site: SiteId) -> Result<i64, CoreError> {
        let (number, new) = self.known.sites.intern(&self.connection, site)?;
        self.known.touched |= new;
        Ok(number)
    }

    pub(crate) fn site_name(&self, site: SiteId) -> Result<Option<NodeName>, CoreError> {
        match self.known.names.get(&site) {
            Some(name) => Ok(name.clone()),
            None => site_name(&self.connection, site),
        }
    }

    /// Remembers what a site's node is called.
    pub(crate) fn name_site(&mut self, site: SiteId, name: &NodeName) -> Result<(), CoreError> {
        if self.site_name(site)?.as_ref() != Some(name) {
            let number = self.intern(site)?;
            self.connection
                .prepare_cached("UPDATE site SET name = ?2 WHERE n = ?1")?
                .execute((number, name.as_str()))?;
            self.known.touched = true;
        }
        self.known.names.insert(site, Some(name.clone()));
        Ok(())
    }

    fn run(&self, sql: &str) -> Result<(), CoreError> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

/// Callers may give moments in milliseconds, which is what smaller numbers are.
pub(crate) const FIRST_APPLICATION: Timestamp = Timestamp::from_micros(100_000_000_000_001);

impl Known {
    fn new(counters: Counters) -> Self {
        Self {
            counters,
            shards: Vec::new(),
            by_id: HashMap::new(),
            sites: SiteNumbers::default(),
            names: HashMap::new(),
            cursors: HashMap::new(),
            touched: false,
        }
    }
}
