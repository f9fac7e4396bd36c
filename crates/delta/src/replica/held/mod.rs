mod held_list;
mod held_messages;
mod peer_cursor;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

pub(super) use held_messages::HeldMessages;
pub(super) use peer_cursor::PeerCursor;

use super::page::{names, sites_of, weight, withheld_code};
use crate::{
    Alteration, CommitNo, NodeName, PageSize, ShardRead, SiteId, VectorId, VectorRow, VersionVector, Withheld,
};

/// The rows of ids that a peer asks for, read in one transaction.
#[derive(Clone, Debug)]
pub struct FoundRows {
    /// The database's site: a new life has another changelog.
    pub site: SiteId,
    /// How many of the ids were looked up, from the first one on.
    pub answered: usize,
    /// The rows, each of them whole.
    pub rows: Vec<VectorRow>,
    /// The ids without a row.
    pub absent: Vec<VectorId>,
    /// Rows that cannot be sent.
    pub withheld: Vec<Withheld>,
    /// The names of the sites in the rows.
    pub names: BTreeMap<SiteId, NodeName>,
    /// The collected frontier.
    pub frontier: VersionVector,
    /// The transaction.
    pub commit_no: CommitNo,
}

/// Reads the rows of these ids, in their order, until `size` is reached: at least one.
///
/// # Errors
/// If the storage fails.
pub fn find_rows<R: ShardRead + ?Sized>(
    shard: &R,
    ids: &[VectorId],
    size: PageSize,
) -> Result<FoundRows, R::Error> {
    let is_altered = shard.alteration()? == Alteration::Present;
    let mut found = FoundRows {
        site: shard.origin().site,
        answered: 0,
        rows: Vec::new(),
        absent: Vec::new(),
        withheld: Vec::new(),
        names: BTreeMap::new(),
        frontier: shard.state().frontier.clone(),
        commit_no: shard.commit_no(),
    };
    let mut bytes = 0;
    for id in ids {
        if found.answered > 0 && (bytes >= size.bytes || found.rows.len() >= size.rows) {
            break;
        }
        found.answered += 1;
        let mut is_there = false;
        shard.visit_row(id, &mut |entry| {
            is_there = true;
            let Some(entry) = entry else {
                found.withheld.push(Withheld { id: id.clone(), sites: Vec::new(), code: "ERR_CHECKSUM" });
                return ControlFlow::Break(());
            };
            match withheld_code(&entry, is_altered.then(|| shard.state())) {
                Some(code) => {
                    let sites = sites_of(&entry.row).collect();
                    found.withheld.push(Withheld { id: entry.id, sites, code });
                }
                None => {
                    bytes += weight(&entry);
                    found.rows.push(entry);
                }
            }
            ControlFlow::Break(())
        })?;
        if !is_there {
            found.absent.push(id.clone());
        }
    }
    found.names = names(shard, found.rows.iter().flat_map(|entry| sites_of(&entry.row)))?;
    Ok(found)
}
