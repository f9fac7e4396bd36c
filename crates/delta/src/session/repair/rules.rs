//! Whether two nodes can repair each other, what a repair may bring, and which content it keeps.

use crate::{Hello, Preference, RangeRows};

/// Which content of a version is kept, of a node whose rows are known to be altered or not and such a peer.
pub(in crate::session) const fn preference(is_altered: bool, peer_is_altered: bool) -> Preference {
    match (is_altered, peer_is_altered) {
        (true, true) => Preference::Either,
        (true, false) => Preference::Peers,
        (false, true) => Preference::Own,
        (false, false) => Preference::Greater,
    }
}

pub(super) fn is_able(local: &Hello, peer: &Hello) -> bool {
    let open = |sender: &Hello, receiver: &Hello| sender.version_vector.covers_vector(&receiver.frontier);
    local.can_repair() && peer.can_repair() && open(local, peer) && open(peer, local)
}

pub(super) fn check_rows(RangeRows { range, rows }: &RangeRows, nonce: u64) -> Result<(), &'static str> {
    if rows.nonce != nonce {
        return Err("rows of another session");
    }
    if !range.is_open() || rows.rows.iter().any(|entry| !range.contains(&entry.id)) {
        return Err("rows outside of their range");
    }
    if rows.rows.len() > RangeRows::MAX_ROWS {
        return Err("more rows of a range than a message may have");
    }
    Ok(())
}
