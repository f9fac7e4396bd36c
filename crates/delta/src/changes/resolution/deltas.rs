use crate::{DeltaError, Strategy};

use super::merge::Outcome;
use crate::changes::change::{Change, Changes};
use crate::changes::format::open;
use crate::changes::key::Keys;

/// Resolves two deltas of one shard into one, which holds the winner of each vector under the strategy, or all heads
/// under manual, in the order of vector ids. Swapping the two deltas makes no difference.
///
/// The range spans both ranges, and the timestamp is the later one. The result is not compressed, because the output of
/// LZ4 libraries differs between platforms.
///
/// # Errors
/// See [`decode`](crate::changes::decode) and [`resolve`](crate::changes::resolve); also `ERR_ARGUMENT` for deltas of
/// different shards.
pub fn resolve_deltas(local: &[u8], remote: &[u8], strategy: Strategy) -> Result<Vec<u8>, DeltaError> {
    let (local, remote) = (open(local)?, open(remote)?);
    let both = join(local.changes()?, remote.changes()?)?;
    // The mean of finite numbers is finite.
    Outcome::of(&both, strategy)?.changes(&both)?.to_bytes()
}

fn join<'a>(local: Changes<'a>, remote: Changes<'a>) -> Result<Changes<'a>, DeltaError> {
    if local.shard != remote.shard {
        let reason = format!("the deltas are of different shards, '{}' and '{}'", local.shard, remote.shard);
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
