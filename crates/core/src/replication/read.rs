//! What a peer is told, read in one snapshot each.

use vectr_delta::{
    ChangeId, Fingerprint, HelloOffer, LocalHello, Page, PageSize, ShardId, ShardRead, ShardVersion,
    StoreReply, VectorId, Withheld, find_rows, read_feed, read_hello, read_page,
};

use crate::writer::Writer;
use crate::writer::queue::JobKind;
use crate::{CoreError, VectrDB};

/// Reads the Hello about a shard. A shard that does not exist reads as an empty one. A life that has yet to commit is
/// stored first.
pub(super) fn hello(
    db: &VectrDB,
    shard: &ShardId,
    peer: &Fingerprint,
    offer: &HelloOffer,
) -> Result<StoreReply, CoreError> {
    db.inner.own_hellos.note(offer.nonce);
    let site = db.site();
    let resumed = db.inner.boot.has_moved();
    let read = |settled: bool| {
        let (shard, peer, offer) = (shard.clone(), *peer, offer.clone());
        db.read(move |snapshot| {
            if !settled && (resumed || snapshot.counters().origin.site != site) {
                return Ok(None);
            }
            let shard = snapshot.shard(&shard)?;
            Ok(Some((read_hello(&shard, &peer, &offer)?, shard.alterations()?)))
        })
    };
    let (LocalHello { hello, held, commit_no }, alterations) = match read(false)? {
        Some(read) => read,
        None => {
            db.call(JobKind::Autocommit, Writer::settle_life)?;
            read(true)?.expect("the second look takes what it finds")
        }
    };
    Ok(StoreReply::Hello { hello: Box::new(hello), held, commit_no, alterations })
}

/// Reads rows after `after` with a version that `filter` does not cover. `counts`: also how many rows follow them.
pub(super) fn page(
    db: &VectrDB,
    shard: &ShardId,
    after: ChangeId,
    filter: Option<ShardVersion>,
    size: PageSize,
    counts: bool,
) -> Result<StoreReply, CoreError> {
    let of = shard.clone();
    let page = db.read(move |snapshot| {
        let shard = snapshot.shard(&of)?;
        let mut page = read_page(&shard, after, filter.as_ref(), size)?;
        if counts && page.end.is_none() {
            page.left = Some(shard.rows().count_after(page.position)?);
        }
        Ok(page)
    })?;
    note_damage(db, shard, &page.withheld);
    Ok(StoreReply::Page(Box::new(page)))
}

/// Reads the rows of a shard after `after`, for all of its peers: see [`read_feed`]. Blocks.
///
/// # Errors
/// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
pub fn feed_page(
    db: &VectrDB,
    shard: &ShardId,
    after: ChangeId,
    known: &ShardVersion,
    size: PageSize,
) -> Result<Page, CoreError> {
    let (of, known) = (shard.clone(), known.clone());
    db.read(move |snapshot| read_feed(&snapshot.shard(&of)?, after, &known, size))
}

/// Reads the rows that a peer asks for.
pub(super) fn rows(
    db: &VectrDB,
    shard: &ShardId,
    ids: Vec<VectorId>,
    size: PageSize,
) -> Result<StoreReply, CoreError> {
    let of = shard.clone();
    let found = db.read(move |snapshot| find_rows(&snapshot.shard(&of)?, &ids, size))?;
    note_damage(db, shard, &found.withheld);
    Ok(StoreReply::Found(Box::new(found)))
}

fn note_damage(db: &VectrDB, shard: &ShardId, withheld: &[Withheld]) {
    if withheld.iter().any(|row| row.code == "ERR_CHECKSUM") {
        db.note_damage(shard);
    }
}
