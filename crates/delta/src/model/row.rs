use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use crate::sort::sort_by;
use crate::{Dot, Payload, PayloadHash, SiteId, Timestamp, VectorId, VersionVector};

/// What a change did to its vector, from its writer's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Operation {
    /// Wrote a vector that the writer did not have.
    Insert = 1,
    /// Overwrote a vector.
    Update = 2,
    /// Deleted the vector, leaving a tombstone.
    Delete = 3,
}

impl Operation {
    /// Reads the byte used in files and frames.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Insert),
            2 => Some(Self::Update),
            3 => Some(Self::Delete),
            _ => None,
        }
    }

    /// The documented name: `insert`, `update` or `delete`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// A version of a vector that no other version has superseded: a put with its payload, or a tombstone without one.
#[derive(Clone)]
pub struct Sibling {
    dot: Dot,
    timestamp: Timestamp,
    operation: Operation,
    payload: Option<Payload>,
    hash: PayloadHash,
}

impl Sibling {
    /// An insert or, if `over` is true, an update.
    #[must_use]
    pub fn put(dot: Dot, timestamp: Timestamp, over: bool, payload: Payload) -> Self {
        let operation = if over { Operation::Update } else { Operation::Insert };
        let hash = payload.hash();
        Self { dot, timestamp, operation, payload: Some(payload), hash }
    }

    /// A delete.
    #[must_use]
    pub const fn tombstone(dot: Dot, timestamp: Timestamp) -> Self {
        Self {
            dot,
            timestamp,
            operation: Operation::Delete,
            payload: None,
            hash: PayloadHash::from_le_bytes([0; 16]),
        }
    }

    /// A version from its stored parts. `None` if operation and payload do not match.
    #[must_use]
    pub fn from_parts(
        dot: Dot,
        timestamp: Timestamp,
        operation: Operation,
        payload: Option<(Payload, PayloadHash)>,
    ) -> Option<Self> {
        match (operation, payload) {
            (Operation::Delete, None) => Some(Self::tombstone(dot, timestamp)),
            (Operation::Insert | Operation::Update, Some((payload, hash))) => {
                Some(Self { dot, timestamp, operation, payload: Some(payload), hash })
            }
            _ => None,
        }
    }

    /// The same version under another dot and timestamp, as a node writes its own versions again after a fork.
    #[must_use]
    pub fn renumbered(&self, dot: Dot, timestamp: Timestamp) -> Self {
        Self { dot, timestamp, ..self.clone() }
    }

    /// The change's dot.
    #[must_use]
    pub const fn dot(&self) -> Dot {
        self.dot
    }

    /// The change's timestamp.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// What the change did.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// The vector and metadata; `None` for a tombstone.
    #[must_use]
    pub const fn payload(&self) -> Option<&Payload> {
        self.payload.as_ref()
    }

    /// The payload's hash at the time of writing.
    #[must_use]
    pub const fn hash(&self) -> PayloadHash {
        self.hash
    }

    /// Whether this is a put.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.payload.is_some()
    }

    /// Whether the payload still matches its hash.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.payload.as_ref().is_none_or(|payload| payload.hash() == self.hash)
    }

    /// Whether the other is the same version under another dot: two lives of one database may each have written it anew.
    #[must_use]
    pub fn is_twin(&self, other: &Self) -> bool {
        (self.hash, self.timestamp, self.is_live()) == (other.hash, other.timestamp, other.is_live())
    }

    /// The order in which versions win: by timestamp, then site, then sequence number.
    #[must_use]
    pub fn precedence(&self) -> (Timestamp, SiteId, u64) {
        (self.timestamp, self.dot.site, self.dot.seq)
    }

    /// A duplicate dot with other content comes only from a copied file; every node then keeps the greater one. Of equal
    /// content, a copy that no longer matches its hash gives way to one that does.
    fn greater(&self, other: &Self) -> Self {
        match self.content().cmp(&other.content()) {
            Ordering::Less => other.clone(),
            Ordering::Equal if !self.is_intact() => other.clone(),
            _ => self.clone(),
        }
    }

    const fn content(&self) -> (PayloadHash, Timestamp, Operation) {
        (self.hash, self.timestamp, self.operation)
    }
}

impl PartialEq for Sibling {
    /// By dot and content; payloads are compared by their hashes.
    fn eq(&self, other: &Self) -> bool {
        self.dot == other.dot && self.content() == other.content()
    }
}

impl Eq for Sibling {}

impl fmt::Debug for Sibling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{} {} {:?}", self.dot, self.timestamp, self.operation.name(), self.hash)
    }
}

/// Everything that a shard holds of one vector: its current versions (siblings), and the causal context, which is for
/// each site the newest change of this vector that is covered.
///
/// The context always covers the dots of the siblings. A row has at least one sibling.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    siblings: Vec<Sibling>,
    context: VersionVector,
}

impl Row {
    /// The most siblings that a row may have. Of more the oldest give way; see [`Row::within_limit`].
    pub const MAX_SIBLINGS: usize = 100;

    /// A row from its parts. The context is extended to cover the siblings; duplicate dots are resolved as in a join.
    /// `None` if there are no siblings.
    #[must_use]
    pub fn new(siblings: Vec<Sibling>, mut context: VersionVector) -> Option<Self> {
        if siblings.is_empty() {
            return None;
        }
        let mut sorted = siblings;
        if sorted.len() > 1 {
            sort_by(&mut sorted, by_dot);
            sorted.dedup_by(|later, kept| {
                let same = later.dot == kept.dot;
                if same {
                    *kept = kept.greater(later);
                }
                same
            });
        }
        match sorted.as_slice() {
            [only] => context.add(only.dot),
            // Adding many dots one by one would take quadratic time.
            many => context.join(&many.iter().map(|sibling| (sibling.dot.site, sibling.dot.seq)).collect()),
        }
        Some(Self { siblings: sorted, context })
    }

    /// A row with the single version `sibling`, whose writer had seen `context`.
    #[must_use]
    pub fn of_write(sibling: Sibling, mut context: VersionVector) -> Self {
        context.add(sibling.dot);
        Self { siblings: vec![sibling], context }
    }

    /// The versions, in the order of dots.
    #[must_use]
    pub fn siblings(&self) -> &[Sibling] {
        &self.siblings
    }

    /// For each site the newest change of this vector that is covered.
    #[must_use]
    pub const fn context(&self) -> &VersionVector {
        &self.context
    }

    /// The causal history of the version with this dot as far as the row knows it: the context without the other
    /// siblings, so that versions exported one by one do not supersede each other later. `None` if there is no such
    /// version.
    #[must_use]
    pub fn history(&self, dot: Dot) -> Option<VersionVector> {
        self.sibling(dot)?;
        if !self.is_concurrent() {
            return Some(self.context.clone());
        }
        let seen = self.context.iter().map(|(site, seq)| {
            let start = self.siblings.partition_point(|other| other.dot.site < site);
            // A site has two siblings only after a fork, or after it resolved two conflicts of the vector without
            // either resolution having seen the other.
            let mut others = self.siblings[start..].iter().map(|other| other.dot);
            let first = others.find(|other| *other != dot).filter(|other| other.site == site);
            (site, first.map_or(seq, |first| seq.min(first.seq - 1)))
        });
        Some(seen.collect())
    }

    /// Whether there is more than one version.
    #[must_use]
    pub fn is_concurrent(&self) -> bool {
        self.siblings.len() > 1
    }

    /// Whether there are versions that differ: twins are no conflict.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.siblings
            .split_first()
            .is_some_and(|(first, others)| others.iter().any(|other| !first.is_twin(other)))
    }

    /// Whether any version is a put.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.siblings.iter().any(Sibling::is_live)
    }

    /// Whether the payloads of all versions still match their hashes.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.siblings.iter().all(Sibling::is_intact)
    }

    /// Whether any version is news to a node that holds all that `filter` covers.
    #[must_use]
    pub fn is_above(&self, filter: &VersionVector) -> bool {
        self.siblings.iter().any(|sibling| !filter.covers(sibling.dot))
    }

    /// The version with this dot.
    #[must_use]
    pub fn sibling(&self, dot: Dot) -> Option<&Sibling> {
        match self.siblings.as_slice() {
            [only] => (only.dot == dot).then_some(only),
            many => many.binary_search_by_key(&dot, Sibling::dot).ok().map(|at| &many[at]),
        }
    }

    /// The newest timestamp among the versions.
    #[must_use]
    pub fn newest(&self) -> Timestamp {
        self.siblings.iter().map(Sibling::timestamp).max().unwrap_or_default()
    }

    /// The join of two whole rows of one vector: commutative, associative, idempotent.
    ///
    /// A version stays if both rows have it, or if one has it and the other's context does not cover it. The contexts
    /// are joined. Only whole rows may be joined: a row that lacks some of its siblings but has its context claims
    /// that they were superseded.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        let mut siblings = Vec::with_capacity(self.siblings.len() + other.siblings.len());
        for mine in &self.siblings {
            match other.sibling(mine.dot) {
                Some(theirs) => siblings.push(mine.greater(theirs)),
                None if !other.context.covers(mine.dot) => siblings.push(mine.clone()),
                None => {}
            }
        }
        for theirs in &other.siblings {
            if self.sibling(theirs.dot).is_none() && !self.context.covers(theirs.dot) {
                siblings.push(theirs.clone());
            }
        }
        sort_by(&mut siblings, by_dot);
        Self { siblings, context: self.context.joined(&other.context) }
    }

    /// The row with its [`Row::MAX_SIBLINGS`] latest versions, in the order in which they win. The others count as
    /// superseded: the context still covers them.
    ///
    /// Rows that were joined from the same versions keep the same ones, in whatever order they met.
    #[must_use]
    pub fn within_limit(mut self) -> Self {
        if self.siblings.len() > Self::MAX_SIBLINGS {
            sort_by(&mut self.siblings, |one, other| other.precedence().cmp(&one.precedence()));
            self.siblings.truncate(Self::MAX_SIBLINGS);
            sort_by(&mut self.siblings, by_dot);
        }
        self
    }

    /// The row after `replacement` has superseded those of its versions whose dots are in `old`, and no others.
    #[must_use]
    pub fn with_replaced(&self, old: &[Dot], replacement: Sibling) -> Self {
        let mut context = self.context.clone();
        context.add(replacement.dot);
        let kept = self.siblings.iter().filter(|sibling| !old.contains(&sibling.dot)).cloned();
        let mut siblings: Vec<Sibling> = kept.chain([replacement]).collect();
        sort_by(&mut siblings, by_dot);
        Self { siblings, context }
    }

    /// The row with a context that covers nothing of `sites` but the versions that it still holds.
    #[must_use]
    pub(crate) fn without_history_of(mut self, sites: &BTreeSet<SiteId>) -> Self {
        self.context.retain_sites(|site| !sites.contains(&site));
        for sibling in &self.siblings {
            self.context.add(sibling.dot);
        }
        self
    }
}

/// A vector's id and its whole row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorRow {
    /// The vector's id.
    pub id: VectorId,
    /// Its versions and context.
    pub row: Row,
}

impl VectorRow {
    /// About how many bytes the row takes, encoded or in memory: id, versions, context, vectors and metadata.
    #[must_use]
    pub fn weight(&self) -> usize {
        let payloads = self.row.siblings.iter().filter_map(Sibling::payload);
        let metadata = |payload: &Payload| payload.metadata().map_or(0, |text| text.as_str().len());
        let bytes: usize = payloads.map(|payload| payload.vector().len() + metadata(payload)).sum();
        self.id.len() + 24 * (self.row.siblings.len() + self.row.context.len()) + bytes
    }
}

fn by_dot(one: &Sibling, other: &Sibling) -> Ordering {
    one.dot.cmp(&other.dot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(site: u64, seq: u64, value: f32) -> Sibling {
        let dot = Dot { site: SiteId::new(site), seq };
        Sibling::put(
            dot,
            Timestamp::from_micros(10),
            false,
            Payload::from_components(&[value], None).unwrap(),
        )
    }

    #[test]
    fn a_write_supersedes_what_it_saw_and_nothing_else() {
        let seen = Row::of_write(put(1, 1, 1.0), VersionVector::new());
        let over = Row::of_write(put(1, 2, 2.0), seen.context().clone());
        let unseen = Row::of_write(put(2, 1, 3.0), VersionVector::new());
        assert_eq!(seen.join(&over), over);
        let both = over.join(&unseen);
        assert_eq!(both.siblings().len(), 2);
        assert_eq!(both.join(&seen), both);
    }

    #[test]
    fn a_join_of_rows_that_hold_their_own_dots_is_never_empty() {
        // Two rows that supersede each other's versions would need dots that nobody holds.
        let a = Row::of_write(put(1, 1, 1.0), VersionVector::new());
        let b = Row::of_write(put(2, 1, 1.0), a.context().clone());
        assert!(!a.join(&b).siblings().is_empty());
    }

    #[test]
    fn a_duplicate_dot_resolves_to_the_same_content_everywhere() {
        let a = Row::of_write(put(1, 1, 1.0), VersionVector::new());
        let b = Row::of_write(put(1, 1, 2.0), VersionVector::new());
        assert_eq!(a.join(&b), b.join(&a));
        assert_eq!(a.join(&b).siblings().len(), 1);
    }

    #[test]
    fn a_damaged_payload_is_noticed() {
        let sibling = put(1, 1, 1.0);
        let rotten = Payload::from_components(&[1.5], None).unwrap();
        let stored = Sibling::from_parts(
            sibling.dot(),
            sibling.timestamp(),
            sibling.operation(),
            Some((rotten, sibling.hash())),
        );
        let stored = stored.unwrap();
        assert!(sibling.is_intact() && !stored.is_intact());
        let [sound, rotten] = [sibling, stored].map(|one| Row::of_write(one, VersionVector::new()));
        assert!(sound.is_intact() && !rotten.is_intact());
        assert!(sound.join(&rotten).is_intact() && rotten.join(&sound).is_intact());
        assert_eq!(sound.join(&rotten), rotten.join(&sound));
    }
}
