use std::ops::ControlFlow;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use vectr_delta::{IdRange, ShardId, Sibling, Timestamp, VectorId, VectorRow};

use crate::storage::rows::integer;
use crate::storage::snapshot::Snapshot;
use crate::writer::queue::JobKind;
use crate::{CoreError, VectrDB};

/// Checks stored rows against their hashes, at most once a day: up to 64 MiB of them, from where the last time ended. A
/// shard with a damaged row is noted, so that its next sync repairs it. Returns whether the day had come.
///
/// # Errors
/// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
pub fn scrub(db: &VectrDB, now: Timestamp) -> Result<bool, CoreError> {
    let Some(scrubbed) = db.read(move |snapshot| Scrubbed::read(snapshot, now))? else { return Ok(false) };
    scrubbed.damaged.iter().for_each(|shard| db.note_damage(shard));
    db.call(JobKind::Autocommit, move |writer| {
        writer.connection.aside(|connection| store(&connection.sqlite, &scrubbed.reached, now))
    })?;
    Ok(true)
}

/// The rows up to here have been checked, in the order of shards' numbers and ids.
#[derive(Default)]
struct Place {
    shard: i64,
    id: Option<VectorId>,
}

struct Scrubbed {
    reached: Place,
    damaged: Vec<ShardId>,
}

impl Scrubbed {
    /// `None` if the last time is less than a day ago.
    fn read(snapshot: &Snapshot<'_>, now: Timestamp) -> Result<Option<Self>, CoreError> {
        let (last, mut place) = load(snapshot.connection())?;
        if last <= now && now.since(last) < PERIOD {
            return Ok(None);
        }
        let (mut left, mut damaged) = (BUDGET, Vec::new());
        for (number, shard) in shards_from(snapshot.connection(), place.shard)? {
            let after = place.id.take().filter(|_| place.shard == number);
            let mut found = false;
            let mut last = None;
            snapshot.shard(&shard)?.rows().visit_range(&IdRange { after, to: None }, &mut |entry| {
                found |= entry.as_ref().is_none_or(|entry| !entry.row.is_intact());
                let Some(entry) = entry else { return ControlFlow::Continue(()) };
                left = left.saturating_sub(weight(&entry));
                last = Some(entry.id);
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if found {
                damaged.push(shard);
            }
            if left == 0 {
                return Ok(Some(Self { reached: Place { shard: number, id: last }, damaged }));
            }
        }
        // The next time begins anew.
        Ok(Some(Self { reached: Place::default(), damaged }))
    }
}

fn weight(entry: &VectorRow) -> usize {
    let payloads = entry.row.siblings().iter().filter_map(Sibling::payload);
    256 + payloads.map(|payload| payload.vector().len()).sum::<usize>()
}

fn load(connection: &Connection) -> Result<(Timestamp, Place), CoreError> {
    let stored: Option<(i64, i64, String)> = connection
        .prepare_cached("SELECT at, shard, id FROM scrub")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((at, shard, id)) = stored else { return Ok((Timestamp::default(), Place::default())) };
    Ok((Timestamp::from_micros(at.unsigned_abs()), Place { shard, id: VectorId::new(&id).ok() }))
}

fn store(connection: &Connection, reached: &Place, now: Timestamp) -> Result<(), CoreError> {
    let id = reached.id.as_ref().map_or("", VectorId::as_str);
    connection
        .prepare_cached("INSERT OR REPLACE INTO scrub (one, at, shard, id) VALUES (1, ?1, ?2, ?3)")?
        .execute((integer(now.as_micros()), reached.shard, id))?;
    Ok(())
}

fn shards_from(connection: &Connection, number: i64) -> Result<Vec<(i64, ShardId)>, CoreError> {
    let mut statement = connection.prepare_cached("SELECT n, id FROM shard WHERE n >= ?1 ORDER BY n")?;
    let shards = statement.query_map([number], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    shards
        .map(|shard| shard.map_err(CoreError::from).and_then(|(n, id)| Ok((n, ShardId::new(&id)?))))
        .collect()
}

const PERIOD: Duration = Duration::from_secs(24 * 3600);
const BUDGET: usize = 64 << 20;
