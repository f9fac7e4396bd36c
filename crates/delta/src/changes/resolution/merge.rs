use crate::model::{mean, merged_metadata};
use crate::sort::{sort, sort_by};
use crate::{DeltaError, Dot, Metadata, Operation, Strategy};

use super::heads::Heads;
use super::resolve::{ConflictHash, MERGED, winner};
use super::tie_break::payload_hash;
use crate::changes::change::{Change, Changes};
use crate::changes::flat::{Flat, FlatRef};
use crate::changes::hash::hex;
use crate::changes::key::Keys;
use crate::changes::parse::{MetadataRule, parse};

/// Merges the heads of each vector, including tombstones, into one change per vector, in the order of ids. If a vector
/// needs no merge, or its versions have different dimensions, its latest live change is kept as it is. Versions without a
/// vector leave it to the others; if none has one, neither has what they merge to.
///
/// A merged change is the same on every node: an update with the timestamp and the change id of the newest live
/// version. Its source is `merge`, its dot is number 1 of `merge@` and the conflict's first 16 digits, and its history
/// covers the histories and dots of its versions and its own dot. It therefore supersedes exactly what it merged.
///
/// # Errors
/// See [`resolve`](crate::changes::resolve); also `ERR_ARGUMENT` if vectors were omitted.
pub fn merge(flat: FlatRef<'_>) -> Result<Flat, DeltaError> {
    let changes = parse(flat, MetadataRule::Objects)?.with_vectors()?;
    let merges = Outcome::of(&changes, Strategy::Merge)?;
    Ok(merges.changes(&changes)?.to_flat())
}

/// The changes that remain after a strategy has resolved them.
pub(crate) struct Outcome {
    /// In the order of vector ids: an index into the changes, or [`MERGED`] for the next of `merged`.
    winners: Vec<u32>,
    merged: Vec<Merged>,
}

/// A change merged from several.
struct Merged {
    /// The newest live version.
    newest: u32,
    /// The key of its dot.
    key: String,
    /// Its history without its own dot.
    history: Vec<(u32, u64)>,
    content: MergedContent,
}

impl Outcome {
    pub(crate) fn of(changes: &Changes<'_>, strategy: Strategy) -> Result<Self, DeltaError> {
        let heads = Heads::of(changes)?;
        let mut outcome = Self { winners: Vec::with_capacity(heads.groups().len()), merged: Vec::new() };
        let mut names = ConflictHash::new(changes.shard);
        let mut members = Vec::new();
        for group in heads.groups() {
            members.clear();
            members.extend_from_slice(group);
            heads.sort_by_precedence(changes, &mut members);
            if strategy == Strategy::Manual {
                outcome.winners.extend_from_slice(&members);
                continue;
            }
            let winner = winner(strategy, changes, &members);
            outcome.winners.push(winner);
            if winner == MERGED {
                let conflict = names.conflict(changes, &heads, group);
                outcome.merged.push(Merged::of(changes, &heads, &members, conflict)?);
            }
        }
        Ok(outcome)
    }

    /// The remaining changes.
    pub(crate) fn changes<'o, 'a: 'o>(&'o self, from: &Changes<'a>) -> Result<Changes<'o>, DeltaError> {
        let mut keys: Vec<&'o str> = from.keys.texts.clone();
        let mut list = Vec::with_capacity(self.winners.len());
        let mut entries = Vec::with_capacity(from.entries.len());
        let mut merged = self.merged.iter();
        let merger = keys.len() as u32;
        if !self.merged.is_empty() {
            keys.push(MERGER);
        }
        for winner in &self.winners {
            let start = entries.len() as u32;
            let merged = if *winner == MERGED { merged.next() } else { None };
            let Some(merged) = merged else {
                let change = &from.list[*winner as usize];
                entries.extend_from_slice(from.history(change));
                list.push(Change { entries: start..entries.len() as u32, ..change.clone() });
                continue;
            };
            let own = (keys.len() as u32, 1);
            keys.push(&merged.key);
            entries.extend_from_slice(&merged.history);
            entries.push(own);
            list.push(Change {
                operation: Operation::Update,
                source: merger,
                dot: Some(own),
                entries: start..entries.len() as u32,
                dimensions: merged.content.dimensions(),
                vector: &merged.content.vector,
                metadata: merged.content.metadata.as_deref(),
                ..from.list[merged.newest as usize].clone()
            });
        }
        let keys_of_none = Keys::default();
        let changes = Changes { keys: keys_of_none, entries, list, ..*from };
        changes.canonicalize(&keys)
    }
}

impl Merged {
    /// Merges versions in the order in which they win.
    fn of(
        changes: &Changes<'_>,
        heads: &Heads,
        versions: &[u32],
        conflict: u128,
    ) -> Result<Self, DeltaError> {
        let live = versions.iter().copied().filter(|index| changes.list[*index as usize].is_live());
        let mut live: Vec<u32> = live.collect();
        drop_twins(changes, heads, &mut live);
        let list: Vec<&Change<'_>> = live.iter().map(|index| &changes.list[*index as usize]).collect();
        let mut key = String::with_capacity(MERGER.len() + 33);
        key.push_str(MERGER);
        key.push('@');
        hex(conflict, &mut key);
        key.truncate(MERGER.len() + 17);
        Ok(Self {
            newest: live[live.len() - 1],
            key,
            history: join(changes, &heads.dots, versions),
            content: MergedContent::of(&list)?,
        })
    }
}

/// Leaves of live versions that are the same under several dots (see [`Sibling::is_twin`](crate::Sibling::is_twin))
/// only the last. They are in the order in which they win, and stay in it.
fn drop_twins(changes: &Changes<'_>, heads: &Heads, live: &mut Vec<u32>) {
    let order = |one: u32, two: u32| {
        let (one, two) = (&changes.list[one as usize], &changes.list[two as usize]);
        one.timestamp.cmp(&two.timestamp).then_with(|| payload_hash(one).cmp(&payload_hash(two)))
    };
    sort(live, &order);
    live.dedup_by(|later, kept| {
        let is_twin = order(*later, *kept).is_eq();
        if is_twin {
            *kept = *later;
        }
        is_twin
    });
    heads.sort_by_precedence(changes, live);
}

/// The content that live versions merge to.
pub(crate) struct MergedContent {
    pub(crate) vector: Vec<u8>,
    pub(crate) metadata: Option<String>,
}

impl MergedContent {
    /// The same bits as [`Strategy::Merge`], from the same code. The versions are live and in the order in which they
    /// win.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` if the merged metadata exceeds the limit.
    pub(crate) fn of(versions: &[&Change<'_>]) -> Result<Self, DeltaError> {
        let vectors: Vec<&[u8]> = versions.iter().map(|version| version.vector).collect();
        let metadata = merged_metadata(versions.iter().filter_map(|version| version.metadata));
        match &metadata {
            Some(text) if text.len() > Metadata::MAX_BYTES => {
                Err(DeltaError::MetadataSize { bytes: text.len() })
            }
            _ => Ok(Self { vector: mean(&vectors), metadata }),
        }
    }

    pub(crate) const fn dimensions(&self) -> u32 {
        (self.vector.len() / size_of::<f32>()) as u32
    }
}

/// The least history that covers all versions and their histories. Of several names of one site the first is kept.
fn join(changes: &Changes<'_>, dots: &[Dot], versions: &[u32]) -> Vec<(u32, u64)> {
    let mut all = Vec::new();
    for index in versions {
        let change = &changes.list[*index as usize];
        all.extend(changes.history(change).iter().filter(|(_, seq)| *seq > 0));
        all.push((changes.dot_key(change), dots[*index as usize].seq));
    }
    sort_by(&mut all, Ord::cmp);
    all.dedup_by(|later, kept| {
        let is_one = changes.keys.rank(later.0) == changes.keys.rank(kept.0);
        if is_one {
            kept.1 = kept.1.max(later.1);
        }
        is_one
    });
    all
}

/// The source of merged changes.
const MERGER: &str = "merge";
