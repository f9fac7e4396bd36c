use crate::{DeltaError, Strategy};

use super::merge::Outcome;
use crate::changes::change::{Change, Changes};
use crate::changes::format::open;
use crate::changes::key::Keys;

/// Resolves the bytes of two deltas of one shard into the bytes of one: of each vector what the strategy shows, under
/// manual all versions that stand, in the order of vector ids. Which of the two is called local makes no difference.
///
/// The range goes from the smaller beginning to the greater end, the stamp is the later one, and the result is not
/// packed: what an LZ4 library makes of the same bytes differs from platform to platform.
///
/// # Errors
/// As [`decode`](crate::changes::decode) and [`resolve`](crate::changes::resolve), and `ERR_ARGUMENT` for deltas of different shards.
pub fn resolve_deltas(local: &[u8], remote: &[u8], strategy: Strategy) -> Result<Vec<u8>, DeltaError> {
    let (local, remote) = (open(local)?, open(remote)?);
    let both = join(local.changes()?, remote.changes()?)?;
    // A mean of what is finite is finite.
    Outcome::of(&both, strategy)?.changes(&both)?.to_bytes()
}

fn join<'a>(local: Changes<'a>, remote: Changes<'a>) -> Result<Changes<'a>, DeltaError> {
    if local.shard != remote.shard {
        let reason = format!("'{}' and '{}' are different ones", local.shard, remote.shard);
        return Err(DeltaError::Argument { what: "shard", reason });
    }
    let given = [local.keys.texts.as_slice(), &remote.keys.texts].concat();
    let (key, entry) = (local.keys.texts.len() as u32, local.entries.len() as u32);
    let timestamp = local.stamp().max(remote.stamp());
    let (mut list, mut entries) = (local.list, local.entries);
    entries.extend(remote.entries.into_iter().map(|(site, seq)| (site + key, seq)));
    list.extend(remote.list.into_iter().map(|change| Change {
        source: change.source + key,
        dot: change.dot.map(|(site, seq)| (site + key, seq)),
        entries: change.entries.start + entry..change.entries.end + entry,
        ..change
    }));
    let joined = Changes {
        shard: local.shard,
        from: local.from.min(remote.from),
        to: local.to.max(remote.to),
        timestamp,
        keys: Keys::default(),
        entries,
        list,
        omits_vectors: false,
        was_canonical: false,
    };
    joined.canonicalize(&given)
}
