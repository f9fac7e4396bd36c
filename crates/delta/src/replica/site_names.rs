use std::collections::{BTreeMap, BTreeSet};

use crate::{NodeName, ShardWrite, SiteId};

/// Stores the names of sites that have none yet, as far as the sites are `meant`: a name that no row or claim needs would
/// be kept for ever, and a peer renames nobody but itself, in its Hello.
pub(super) fn name_sites<W: ShardWrite + ?Sized>(
    shard: &mut W,
    names: &BTreeMap<SiteId, NodeName>,
    meant: impl FnOnce() -> BTreeSet<SiteId>,
) -> Result<(), W::Error> {
    let mut new = Vec::new();
    for (site, name) in names {
        match shard.site_name(*site)? {
            Some(known) if known == *name => shard.name_site(*site, name)?,
            Some(_) => {}
            None => new.push((*site, name)),
        }
    }
    if new.is_empty() {
        return Ok(());
    }
    let meant = meant();
    new.into_iter()
        .filter(|(site, _)| meant.contains(site))
        .try_for_each(|(site, name)| shard.name_site(site, name))
}
