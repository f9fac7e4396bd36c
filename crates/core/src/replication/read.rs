//! What a peer is told, read in one snapshot each.

use vectr_delta::{
    ChangeId, Fingerprint, HelloOffer, PageSize, ShardId, ShardVersion, StoreReply, read_hello, read_page,
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
            read_hello(&snapshot.shard(&shard)?, &peer, &offer).map(Some)
        })
    };
    let (hello, commit_no) = match read(false)? {
        Some(read) => read,
        None => {
            db.call(JobKind::Autocommit, Writer::settle_life)?;
            read(true)?.expect("the second look takes what it finds")
        }
    };
    Ok(StoreReply::Hello { hello: Box::new(hello), commit_no })
}

/// Reads rows after `after` with a version that `filter` does not cover.
pub(super) fn page(
    db: &VectrDB,
    shard: &ShardId,
    after: ChangeId,
    filter: Option<ShardVersion>,
    size: PageSize,
) -> Result<StoreReply, CoreError> {
    let of = shard.clone();
    let page = db.read(move |snapshot| read_page(&snapshot.shard(&of)?, after, filter.as_ref(), size))?;
    if page.withheld.iter().any(|row| row.code == "ERR_CHECKSUM") {
        db.note_damage(shard);
    }
    Ok(StoreReply::Page(Box::new(page)))
}
