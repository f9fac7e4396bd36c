//! The `shard` and `counter` rows.

use rusqlite::{Connection, OptionalExtension};
use vectr_delta::{
    Alteration, ChangeId, CommitNo, Descriptor, Digest, Dimensions, ElementType, NodeName, Origin, ShardId,
    ShardState, Strategy, Timestamp,
};

use crate::CoreError;
use crate::storage::json::{parse_site, parse_site_list, site_list_text};
use crate::storage::rows::{integer, number};
use crate::storage::version_cache::VersionCache;
use crate::storage::versions::ShardVersions;

/// The `counter` row.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) origin: Origin,
    /// Of the life that wrote last: see [`Incarnation`](crate::incarnation::Incarnation).
    pub(crate) token: Option<String>,
    pub(crate) default_shard: ShardId,
    pub(crate) last_stamp: Timestamp,
    pub(crate) change_id: ChangeId,
    pub(crate) commit_no: CommitNo,
    pub(crate) last_applied_at: Timestamp,
}

impl Counters {
    pub(crate) fn load(connection: &Connection) -> Result<Self, CoreError> {
        let mut statement = connection.prepare_cached(
            "SELECT site, changelog, token, node, shard, last_stamp, change_id, commit_no, last_applied_at FROM counter",
        )?;
        let mut rows = statement.query([])?;
        let row = rows.next()?.ok_or_else(|| damaged("the counters are missing"))?;
        let node = row.get_ref(3)?.as_str_or_null().map_err(|_| damaged("the node's name is no text"))?;
        Ok(Self {
            origin: Origin {
                site: parse_site(text(row, 0)?)?,
                changelog: text(row, 1)?.parse()?,
                node: node.map(NodeName::new).transpose()?,
            },
            token: row.get(2)?,
            default_shard: ShardId::new(text(row, 4)?)?,
            last_stamp: Timestamp::from_micros(number(row, 5)?),
            change_id: number(row, 6)?,
            commit_no: number(row, 7)?,
            last_applied_at: Timestamp::from_micros(number(row, 8)?),
        })
    }

    /// Stores the token of the life before, when a life begins; empty if there was none.
    pub(crate) fn store_former_token(connection: &Connection, token: &str) -> Result<(), CoreError> {
        connection.prepare_cached("UPDATE counter SET former_token = ?1")?.execute([token])?;
        Ok(())
    }

    pub(crate) fn store(&self, connection: &Connection) -> Result<(), CoreError> {
        let mut statement = connection.prepare_cached(
            "UPDATE counter SET site = ?1, changelog = ?2, token = ?3, node = ?4, last_stamp = ?5, change_id = ?6, \
             commit_no = ?7, last_applied_at = ?8",
        )?;
        statement.execute((
            self.origin.site.to_string(),
            self.origin.changelog.to_string(),
            self.token.as_deref(),
            self.origin.node.as_deref(),
            integer(self.last_stamp.as_micros()),
            integer(self.change_id),
            integer(self.commit_no),
            integer(self.last_applied_at.as_micros()),
        ))?;
        Ok(())
    }
}

/// A `shard` row.
#[derive(Clone)]
pub(crate) struct StoredShard {
    pub(crate) n: i64,
    pub(crate) state: ShardState,
    pub(crate) last_sync_at: Timestamp,
    versions: ShardVersions,
}

impl StoredShard {
    /// A shard that does not exist, under this number.
    pub(crate) fn empty(n: i64) -> Self {
        Self {
            n,
            state: ShardState::default(),
            last_sync_at: Timestamp::default(),
            versions: ShardVersions::default(),
        }
    }

    pub(crate) fn load(
        connection: &Connection,
        cache: &VersionCache,
        id: &ShardId,
    ) -> Result<Option<Self>, CoreError> {
        let mut statement = connection.prepare_cached(
            "SELECT n, dimensions, element, epoch, owner, members, strategy, digest, last_sync_at, updated_at, \
             version_vector, received, frontier FROM shard WHERE id = ?1",
        )?;
        let mut rows = statement.query([id.as_str()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let dimensions: Option<u32> = row.get(1)?;
        let owner = row.get_ref(4)?.as_str_or_null().map_err(|_| damaged("an owner is no text"))?;
        let digest = row.get_ref(7)?.as_blob().ok().and_then(Digest::from_bytes);
        let element = u8::try_from(number(row, 2)?).map_err(|_| damaged("an unknown element type"))?;
        let versions = versions(connection, cache, row)?;
        let mut state = ShardState {
            descriptor: Descriptor {
                dimensions: dimensions.map(Dimensions::try_from).transpose()?,
                element: ElementType::try_from(element)?,
                epoch: row.get::<_, i64>(3)?.cast_unsigned(),
                owner: owner.map(parse_site).transpose()?,
                members: parse_site_list(text(row, 5)?)?,
            },
            strategy: strategy(row, 6)?,
            digest: digest.ok_or_else(|| damaged("a digest of another length"))?,
            ..ShardState::default()
        };
        versions.fill(&mut state);
        let last_sync_at = Timestamp::from_micros(number(row, 8)?);
        Ok(Some(Self { n: row.get(0)?, state, last_sync_at, versions }))
    }

    /// The number of sites in the version vector, as the file has it: what no message can carry is not in `state`.
    pub(crate) fn stored_sites(&self) -> usize {
        self.versions.stored_sites()
    }

    pub(crate) fn create(connection: &Connection, id: &ShardId) -> Result<Self, CoreError> {
        let mut statement = connection.prepare_cached("INSERT INTO shard (id, digest) VALUES (?1, ?2)")?;
        statement.execute((id.as_str(), Digest::default().to_bytes()))?;
        Ok(Self::empty(connection.last_insert_rowid()))
    }

    /// Writes the shard's row, and the entries of version vectors that have changed. Later than any write before it.
    pub(crate) fn store(
        &mut self,
        connection: &Connection,
        cache: &VersionCache,
        now: Timestamp,
    ) -> Result<(), CoreError> {
        let [version_vector, received, frontier] = self.versions.store(connection, self.n, &self.state)?;
        let mut statement = connection.prepare_cached(
            "UPDATE shard SET dimensions = ?2, element = ?3, epoch = ?4, owner = ?5, members = ?6, strategy = ?7, \
             version_vector = ?8, received = ?9, frontier = ?10, digest = ?11, updated_at = ?12 WHERE n = ?1",
        )?;
        let state = &self.state;
        statement.execute((
            self.n,
            state.descriptor.dimensions.map(u32::from),
            u8::from(state.descriptor.element),
            // A peer may choose any 64 bits.
            state.descriptor.epoch.cast_signed(),
            state.descriptor.owner.map(|owner| owner.to_string()),
            site_list_text(&state.descriptor.members),
            state.strategy as u8,
            version_vector,
            received,
            frontier,
            state.digest.to_bytes(),
            integer(now.as_micros()),
        ))?;
        cache.announce(self.n, now, &self.versions);
        Ok(())
    }
}

/// What is known of altered rows in the shard with this number.
pub(crate) fn alteration(connection: &Connection, shard: i64) -> Result<Alteration, CoreError> {
    let mut statement = connection.prepare_cached("SELECT present FROM altered WHERE shard = ?1")?;
    let present: Option<bool> = statement.query_row([shard], |row| row.get(0)).optional()?;
    Ok(match present {
        None => Alteration::None,
        Some(false) => Alteration::Repaired,
        Some(true) => Alteration::Present,
    })
}

/// Stores what [`alteration`] answers.
pub(crate) fn set_alteration(
    connection: &Connection,
    shard: i64,
    alteration: Alteration,
) -> Result<(), CoreError> {
    connection.prepare_cached("DELETE FROM altered WHERE shard = ?1")?.execute([shard])?;
    if alteration != Alteration::None {
        connection
            .prepare_cached("INSERT INTO altered (shard, present) VALUES (?1, ?2)")?
            .execute((shard, alteration == Alteration::Present))?;
        count(connection, shard)?;
    }
    Ok(())
}

/// How many times [`alteration`] was noted, or [`count_alteration`] called.
pub(crate) fn alterations(connection: &Connection, shard: i64) -> Result<u64, CoreError> {
    let mut statement = connection.prepare_cached("SELECT times FROM alteration_count WHERE shard = ?1")?;
    let times: Option<i64> = statement.query_row([shard], |row| row.get(0)).optional()?;
    Ok(times.unwrap_or_default().unsigned_abs())
}

/// Counts another alteration of a shard that has some.
pub(crate) fn count_alteration(connection: &Connection, shard: i64) -> Result<(), CoreError> {
    if alteration(connection, shard)? != Alteration::None {
        count(connection, shard)?;
    }
    Ok(())
}

/// As the triggers do for other programs.
fn count(connection: &Connection, shard: i64) -> Result<(), CoreError> {
    connection
        .prepare_cached(
            "INSERT INTO alteration_count (shard, times) VALUES (?1, 1) \
             ON CONFLICT (shard) DO UPDATE SET times = times + 1",
        )?
        .execute([shard])?;
    Ok(())
}

/// The number and the strategy of a shard.
pub(crate) fn shard_number(
    connection: &Connection,
    id: &ShardId,
) -> Result<Option<(i64, Strategy)>, CoreError> {
    let mut statement = connection.prepare_cached("SELECT n, strategy FROM shard WHERE id = ?1")?;
    let mut rows = statement.query([id.as_str()])?;
    rows.next()?.map(|row| Ok((row.get(0)?, strategy(row, 1)?))).transpose()
}

/// The version vectors of a row of [`StoredShard::load`].
fn versions(
    connection: &Connection,
    cache: &VersionCache,
    row: &rusqlite::Row<'_>,
) -> Result<ShardVersions, CoreError> {
    let (shard, stored_at) = (row.get(0)?, Timestamp::from_micros(number(row, 9)?));
    if let Some(known) = cache.find(shard, stored_at) {
        return Ok(known);
    }
    let read = ShardVersions::load(connection, shard, [text(row, 10)?, text(row, 11)?, text(row, 12)?])?;
    cache.keep(shard, stored_at, &read);
    Ok(read)
}

fn strategy(row: &rusqlite::Row<'_>, at: usize) -> Result<Strategy, CoreError> {
    let strategy = u8::try_from(number(row, at)?).ok().and_then(Strategy::from_byte);
    strategy.ok_or_else(|| damaged("an unknown strategy"))
}

/// All shards, in the order of ids.
pub(crate) fn shard_ids(connection: &Connection) -> Result<Vec<ShardId>, CoreError> {
    let mut statement = connection.prepare_cached("SELECT id FROM shard ORDER BY id")?;
    let ids = statement.query_map([], |row| row.get::<_, String>(0))?;
    ids.map(|id| Ok(ShardId::new(&id?)?)).collect()
}

/// The shards whose rows were stored after a moment: by transactions that changed what sessions tell of them.
pub(crate) fn changed_shards(connection: &Connection, after: Timestamp) -> Result<Vec<ShardId>, CoreError> {
    let mut statement = connection.prepare_cached("SELECT id FROM shard WHERE updated_at > ?1")?;
    let ids = statement.query_map([integer(after.as_micros())], |row| row.get::<_, String>(0))?;
    ids.map(|id| Ok(ShardId::new(&id?)?)).collect()
}

/// Whether the counter row has been written.
pub(crate) fn has_counters(connection: &Connection) -> Result<bool, CoreError> {
    Ok(connection.query_row("SELECT 1 FROM counter", [], |_| Ok(())).optional()?.is_some())
}

fn text<'r>(row: &'r rusqlite::Row<'_>, at: usize) -> Result<&'r str, CoreError> {
    row.get_ref(at)?.as_str().map_err(|_| damaged("a field is no text"))
}

fn damaged(reason: &str) -> CoreError {
    CoreError::Damaged { reason: reason.to_owned() }
}

/// Whether a database has lived in this file: what an interrupted first opening leaves has tables, and nothing in them.
pub(crate) fn is_begun(connection: &Connection) -> Result<bool, CoreError> {
    let shards = "SELECT 1 FROM shard LIMIT 1";
    Ok(has_counters(connection)? || connection.query_row(shards, [], |_| Ok(())).optional()?.is_some())
}
