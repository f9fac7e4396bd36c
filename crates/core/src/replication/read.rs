//! What a peer is told, read in one snapshot each.

use vectr_delta::{
    ChangeId, Fingerprint, HelloOffer, PageSize, ShardId, SiteReset, StoreReply, VersionVector, read_hello,
    read_page,
};

use crate::writer::Writer;
use crate::writer::queue::JobKind;
use crate::{CoreError, VectrDB};

/// Reads the Hello about a shard. A shard that does not exist reads as an empty one. Resets the site first if the clock
/// was ahead and has been corrected.
pub(super) fn hello(
    db: &VectrDB,
    shard: &ShardId,
    peer: &Fingerprint,
    offer: &HelloOffer,
) -> Result<StoreReply, CoreError> {
    let read = |reset: bool| {
        let (shard, peer, offer) = (shard.clone(), *peer, offer.clone());
        db.read(move |snapshot| {
            // The database's own clock decides whether to reset; once is enough, whatever the offer says.
            if !reset && SiteReset::of_clock(snapshot.last_stamp(), offer.clock).is_some() {
                return Ok(None);
            }
            read_hello(&snapshot.shard(&shard)?, &peer, &offer).map(Some)
        })
    };
    let (hello, commit_no) = match read(false)? {
        Some(read) => read,
        None => {
            db.call(JobKind::Autocommit, Writer::reset_site_after_clock_correction)?;
            read(true)?.expect("the second look does not ask for a reset")
        }
    };
    Ok(StoreReply::Hello { hello: Box::new(hello), commit_no })
}

/// Reads rows after `after` with a version that `filter` does not cover.
pub(super) fn page(
    db: &VectrDB,
    shard: &ShardId,
    after: ChangeId,
    filter: Option<VersionVector>,
    size: PageSize,
) -> Result<StoreReply, CoreError> {
    let shard = shard.clone();
    let page = db.read(move |snapshot| read_page(&snapshot.shard(&shard)?, after, filter.as_ref(), size))?;
    Ok(StoreReply::Page(Box::new(page)))
}
