use crate::{DeltaError, Strategy};

use super::heads::Heads;
use crate::changes::change::Changes;
use crate::changes::flat::FlatRef;
use crate::changes::hash::{Hash, hex};
use crate::changes::key::Meaning;
use crate::changes::parse::{MetadataRule, parse};

/// Which changes win, found without reading any vector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// For each vector, in the order of ids: the winner's index, the number of heads, and their indices in the order in
    /// which they win, the latest last. The winner is [`MERGED`] if [`merge`](crate::changes::merge) has to make it.
    /// More than one head is a conflict, whatever the strategy, also if their contents, which are not read here, are
    /// the same.
    pub groups: Vec<u32>,
    /// Pairs of changes with the same dot that have yet to be compared; the first of a pair is in the groups. Only
    /// filled if vectors were omitted. If all pairs are equal in vector, metadata, timestamp and operation, the result
    /// is valid; otherwise call again with all vectors.
    pub duplicate_dots: Vec<u32>,
    /// The ids of the conflicts, 32 hexadecimal digits each, in the order of their groups.
    pub ids: String,
}

/// The index of a winner that has yet to be merged from several changes.
pub const MERGED: u32 = u32::MAX;

/// Finds the changes that no other supersedes, and the winner under `strategy`. The order of the changes does not
/// matter.
///
/// Vectors may be omitted, and with them the metadata of the changes that have one: contents are compared only for
/// duplicate dots.
///
/// # Errors
/// `ERR_ARGUMENT` for an invalid flat form or a change without a dot; `ERR_LIMIT`, `ERR_DIMENSIONS` and `ERR_VECTOR` as
/// in [`encode`](crate::changes::encode).
pub fn resolve(flat: FlatRef<'_>, strategy: Strategy) -> Result<Verdict, DeltaError> {
    let changes = parse(flat, MetadataRule::Compared)?;
    let mut heads = Heads::of(&changes)?;
    let mut verdict =
        Verdict { duplicate_dots: std::mem::take(&mut heads.duplicate_dots), ..Verdict::default() };
    verdict.groups.reserve(3 * heads.groups().len());
    let mut names = ConflictHash::new(changes.shard);
    for group in heads.groups() {
        let count = group.len() as u32;
        verdict.groups.extend([group[0], count]);
        let start = verdict.groups.len();
        verdict.groups.extend(group);
        if count > 1 {
            hex(names.conflict(&changes, &heads, group), &mut verdict.ids);
            let members = &mut verdict.groups[start..];
            heads.sort_by_precedence(&changes, members);
            let winner = winner(strategy, &changes, members);
            verdict.groups[start - 2] = winner;
        }
    }
    Ok(verdict)
}

/// The winner among heads in the order in which they win; [`MERGED`] if it has to be merged from them.
pub(crate) fn winner(strategy: Strategy, changes: &Changes<'_>, heads: &[u32]) -> u32 {
    let last = heads[heads.len() - 1];
    match strategy {
        Strategy::LastWriteWins | Strategy::Manual => last,
        Strategy::FirstWriteWins => heads[0],
        Strategy::Merge => {
            let change = |index: &u32| &changes.list[*index as usize];
            let mut live = heads.iter().rev().filter(|index| change(index).is_live());
            let Some(newest) = live.next() else { return last };
            let mut dimensions = change(newest).dimensions;
            let mut count = 1;
            for index in live {
                // An update without a vector leaves it as it is: merging takes those of the others.
                let own = change(index).dimensions;
                if own > 0 {
                    if dimensions > 0 && dimensions != own {
                        return *newest;
                    }
                    dimensions = own;
                }
                count += 1;
            }
            if count == 1 { *newest } else { MERGED }
        }
    }
}

/// Computes the ids of conflicts of one shard.
pub(crate) struct ConflictHash<'a> {
    shard: &'a str,
    hash: Hash,
}

impl<'a> ConflictHash<'a> {
    pub(crate) fn new(shard: &'a str) -> Self {
        Self { shard, hash: Hash::new() }
    }

    /// The id of the conflict between changes of one vector, given in the order of their dots. Equal to
    /// [`ConflictId::of`](crate::ConflictId::of) if all keys are sites. For any other key the text's length takes the
    /// site's place, the sequence number has its top bit set, and the text follows.
    pub(crate) fn conflict(&mut self, changes: &Changes<'_>, heads: &Heads, group: &[u32]) -> u128 {
        let Self { shard, hash } = self;
        hash.restart();
        for name in [*shard, changes.list[group[0] as usize].vector_id] {
            hash.add(&(name.len() as u32).to_le_bytes());
            hash.add(name.as_bytes());
        }
        for index in group {
            let key = changes.dot_key(&changes.list[*index as usize]);
            let seq = heads.dots[*index as usize].seq;
            let (site, seq, text) = match changes.keys.meaning(key) {
                Meaning::Site(site) => (site, seq, ""),
                Meaning::Text(text) => (text.len() as u64, seq | 1 << 63, text),
            };
            hash.add(&site.to_be_bytes());
            hash.add(&seq.to_le_bytes());
            hash.add(text.as_bytes());
        }
        hash.value()
    }
}
