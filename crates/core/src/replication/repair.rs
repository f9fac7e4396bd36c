//! What a repair reads and writes.

use vectr_delta::{
    Alteration, Batch, ChangeSpan, CountedRows, DamagedRows, IdRange, PageSize, Preference, RangeDigest,
    Refusal, RemoteApply, Repaired, ShardId, ShardRead, ShardSummary, ShardVersion, StoreReply,
    compare_ranges, count_rows, read_range, settle_repair, split_ranges,
};

use crate::replication::write::Outcome;
use crate::writer::Writer;
use crate::{CoreError, VectrDB};

/// Divides ranges of this node's rows.
pub(super) fn split(db: &VectrDB, shard: &ShardId, ranges: Vec<IdRange>) -> Result<StoreReply, CoreError> {
    let shard = shard.clone();
    let digests = db.read(move |snapshot| split_ranges(&snapshot.shard(&shard)?, &ranges))?;
    Ok(StoreReply::RangeDigests(Box::new(digests)))
}

/// Compares ranges of the peer's rows with this node's.
pub(super) fn compare(
    db: &VectrDB,
    shard: &ShardId,
    theirs: Vec<RangeDigest>,
) -> Result<StoreReply, CoreError> {
    let shard = shard.clone();
    let counts = db.read(move |snapshot| compare_ranges(&snapshot.shard(&shard)?, &theirs))?;
    Ok(StoreReply::RangeCounts(Box::new(counts)))
}

/// Reads rows of a range.
pub(super) fn read(
    db: &VectrDB,
    shard: &ShardId,
    range: IdRange,
    size: PageSize,
) -> Result<StoreReply, CoreError> {
    let shard = shard.clone();
    let page = db.read(move |snapshot| read_range(&snapshot.shard(&shard)?, &range, size))?;
    Ok(StoreReply::RangePage(Box::new(page)))
}

/// Joins the peer's rows of a range.
pub(super) fn join(
    writer: &mut Writer,
    shard: &ShardId,
    mut remote: Box<RemoteApply>,
    rows: &Batch,
    preference: Preference,
) -> Outcome {
    writer.write_shard(shard, |shard| {
        let (wall, after) = (shard.wall(), shard.change_id());
        let applied = remote.join_range(shard, rows, wall, preference)?;
        Ok(StoreReply::RangeJoined {
            remote,
            applied,
            changes: ChangeSpan::between(after, shard.change_id()),
        })
    })
}

/// Reads all rows of a shard whose digest [`finish`] is to compute, so that no write waits for it: `None` if it will not, as
/// far as is known yet. `matches`: the rows had the digest when the repair read them.
pub(super) fn count(db: &VectrDB, shard: &ShardId, matches: bool) -> Result<Option<CountedRows>, CoreError> {
    count_if(db, shard, move |is_altered, _| is_altered || !matches)
}

/// As [`count`], before [`settle`] with a peer that holds `peer`.
pub(super) fn count_settled(
    db: &VectrDB,
    shard: &ShardId,
    peer: ShardVersion,
) -> Result<Option<CountedRows>, CoreError> {
    count_if(db, shard, move |is_altered, held| is_altered && peer.covers_all(held))
}

fn count_if(
    db: &VectrDB,
    shard: &ShardId,
    is_needed: impl Fn(bool, &ShardVersion) -> bool + Send + 'static,
) -> Result<Option<CountedRows>, CoreError> {
    let shard = shard.clone();
    db.read(move |snapshot| {
        let shard = snapshot.shard(&shard)?;
        let is_altered = shard.alteration()? == Alteration::Present;
        is_needed(is_altered, &shard.state().version_vector).then(|| count_rows(&shard)).transpose()
    })
}

/// Ends a repair.
pub(super) fn finish(
    writer: &mut Writer,
    shard: &ShardId,
    mut remote: Box<RemoteApply>,
    matches: bool,
    counted: Option<&CountedRows>,
) -> Outcome {
    let (remote, repaired) = writer.write_shard(shard, |shard| {
        let repaired = remote.finish_repair(shard, matches, counted)?;
        Ok::<_, Refusal<CoreError>>((remote, repaired))
    })?;
    let commit_no = writer.connection.committed().commit_no;
    Ok(StoreReply::RepairFinished { remote, repaired, commit_no })
}

/// Ends a repair that has written nothing.
pub(super) fn finish_unwritten(
    db: &VectrDB,
    shard: &ShardId,
    remote: Box<RemoteApply>,
) -> Result<StoreReply, CoreError> {
    let shard = shard.clone();
    let (summary, commit_no) = db.read(move |snapshot| {
        let shard = snapshot.shard(&shard)?;
        let state = shard.state();
        let summary = ShardSummary {
            version_vector: state.version_vector.clone(),
            digest: state.digest,
            tight: state.is_tight(),
        };
        Ok((summary, shard.commit_no()))
    })?;
    Ok(StoreReply::RepairFinished {
        remote,
        repaired: Repaired { summary, damaged: DamagedRows::default() },
        commit_no,
    })
}

/// Notes whether the shard remains to be repaired.
pub(super) fn settle(
    writer: &mut Writer,
    shard: &ShardId,
    peer: &ShardVersion,
    counted: Option<&CountedRows>,
) -> Outcome {
    writer.write_shard(shard, |shard| settle_repair(shard, peer, counted))?;
    Ok(StoreReply::RepairSettled)
}

#[cfg(test)]
mod tests {
    use rusqlite::config::DbConfig;
    use vectr_delta::{
        Fingerprint, HelloOffer, NodeName, Payload, StoreRequest, Timestamp, VectorId, check_rows,
    };

    use super::*;
    use crate::replication::serve_blocking;
    use crate::writer::queue::JobKind;
    use crate::{Config, Target};

    fn put(db: &VectrDB, id: &str, component: f32) {
        let payload = Payload::from_components(&[component], None).unwrap();
        db.upsert(Target { shard: &shard(), transaction: None }, &VectorId::new(id).unwrap(), payload)
            .unwrap();
    }

    fn shard() -> ShardId {
        ShardId::new("s").unwrap()
    }

    /// Another program does this to the rows.
    fn alter(db: &VectrDB, sql: &'static str) {
        let alter = move |writer: &mut Writer| {
            let sqlite = &writer.connection.sqlite;
            sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true)?;
            sqlite.execute_batch(sql)?;
            sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
            Ok(())
        };
        db.call(JobKind::Autocommit, alter).unwrap();
    }

    fn remote(db: &VectrDB) -> Box<RemoteApply> {
        let peer = Fingerprint::new([1; 32]);
        let node = NodeName::new("n").unwrap();
        let offer = HelloOffer {
            nonce: 1,
            codecs: vec![0],
            live: false,
            node,
            clock: Timestamp::default(),
            window: 1,
        };
        let reply = serve_blocking(db, &shard(), StoreRequest::ReadHello { peer, offer });
        let StoreReply::Hello { hello, .. } = reply else { panic!("{reply:?}") };
        Box::new(RemoteApply::new(peer, &hello, 0))
    }

    /// Whether the shard keeps the digest of its rows, and how many of them are damaged.
    fn checked(db: &VectrDB) -> (bool, u64) {
        let check = |writer: &mut Writer| writer.write_shard(&shard(), |shard| check_rows(shard));
        let (damaged, differed): (u64, bool) =
            db.call::<_>(JobKind::Autocommit, move |writer| check(writer)).unwrap();
        (!differed, damaged)
    }

    // All writes waited for as long as the rows of the shard were read.
    #[test]
    fn rows_are_counted_before_the_transaction_that_ends_a_repair() {
        for meanwhile in ["", "DELETE FROM row WHERE id = 'e'", "UPDATE altered SET present = 1"] {
            let db = VectrDB::new(Config::default().shard(shard())).unwrap();
            for id in ["a", "b", "c", "d", "e", "f"] {
                put(&db, id, 1.0);
            }
            alter(&db, "DELETE FROM row WHERE id = 'a'; UPDATE row SET vector = zeroblob(4) WHERE id = 'f'");
            let counted = count(&db, &shard(), true).unwrap().unwrap();
            put(&db, "b", 2.0);
            put(&db, "g", 2.0);
            put(&db, "a", 2.0);
            alter(&db, meanwhile);
            let remote = remote(&db);
            let end = move |writer: &mut Writer| finish(writer, &shard(), remote, false, Some(&counted));
            let ended =
                db.call(JobKind::Autocommit, move |writer| end(writer).map_err(|_| CoreError::Closed));
            let StoreReply::RepairFinished { repaired, .. } = ended.unwrap() else { panic!("another reply") };
            assert_eq!(repaired.damaged.count, 1, "{meanwhile}");
            assert_eq!(repaired.damaged.named, [VectorId::new("f").unwrap()]);
            assert_eq!(checked(&db), (true, 1), "{meanwhile}");
        }
    }

    #[test]
    fn a_digest_that_was_corrected_meanwhile_is_not_corrected_again() {
        let db = VectrDB::new(Config::default().shard(shard())).unwrap();
        for id in ["a", "b"] {
            put(&db, id, 1.0);
        }
        alter(&db, "DELETE FROM row WHERE id = 'a'");
        let counts = [(); 2].map(|()| count(&db, &shard(), true).unwrap().unwrap());
        for counted in counts {
            let remote = remote(&db);
            let end = move |writer: &mut Writer| finish(writer, &shard(), remote, true, Some(&counted));
            let ended =
                db.call(JobKind::Autocommit, move |writer| end(writer).map_err(|_| CoreError::Closed));
            assert!(ended.is_ok());
            assert_eq!(checked(&db), (true, 0));
        }
    }
}
