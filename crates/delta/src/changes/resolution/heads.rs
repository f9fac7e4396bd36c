//! Finds the changes of each vector that no other change supersedes.

use std::cmp::Ordering;

use crate::sort::sort;
use crate::{DeltaError, Dot};

use super::tie_break::TieBreak;
use crate::changes::change::Changes;

/// The heads of each vector: the changes that no other supersedes. Vectors are in the order of their ids.
pub(crate) struct Heads {
    /// The dot of each change; its site is the rank of its key.
    pub(crate) dots: Vec<Dot>,
    /// The heads of all vectors; those of one vector are in the order of dots.
    members: Vec<u32>,
    /// The end of each vector's heads in `members`.
    ends: Vec<u32>,
    /// Pairs of changes with the same dot whose contents could not be compared: one that was kept, one that was not.
    pub(crate) duplicate_dots: Vec<u32>,
}

impl Heads {
    /// A change is superseded if the history of another change of its vector covers its dot. If, inconsistently, each
    /// one is superseded by another, the one with the greatest dot remains.
    ///
    /// Takes linear time besides sorting, whatever the input.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a change without a dot.
    pub(crate) fn of(changes: &Changes<'_>) -> Result<Self, DeltaError> {
        let dots = changes.dots()?;
        let order = by_vector(changes, &dots);
        let mut heads = Self {
            dots,
            members: Vec::with_capacity(order.len()),
            ends: Vec::new(),
            duplicate_dots: Vec::new(),
        };
        let mut claims = Claims::new(changes.keys.count());
        for group in order.chunk_by(|one, two| vector_id(changes, *one) == vector_id(changes, *two)) {
            heads.add_group(changes, group, &mut claims);
            heads.ends.push(heads.members.len() as u32);
        }
        Ok(heads)
    }

    /// The heads of each vector, at least one, in the order of dots.
    pub(crate) fn groups(&self) -> impl ExactSizeIterator<Item = &[u32]> + '_ {
        self.ends.iter().enumerate().map(|(index, end)| {
            let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
            &self.members[start as usize..*end as usize]
        })
    }

    /// Sorts changes into the order in which they win: by timestamp, then site, then sequence number.
    pub(crate) fn sort_by_precedence(&self, changes: &Changes<'_>, members: &mut [u32]) {
        sort(members, &|one, two| self.precedence(changes, one).cmp(&self.precedence(changes, two)));
    }

    fn precedence(&self, changes: &Changes<'_>, index: u32) -> (u64, Dot) {
        (changes.list[index as usize].timestamp, self.dots[index as usize])
    }

    fn add_group(&mut self, changes: &Changes<'_>, group: &[u32], claims: &mut Claims) {
        if let [only] = group {
            self.members.push(*only);
            return;
        }
        let start = self.members.len();
        claims.forget();
        let dots = &self.dots;
        for versions in group.chunk_by(|one, two| dots[*one as usize] == dots[*two as usize]) {
            let owner = self.members.len() as u32;
            for index in versions {
                for (key, seq) in changes.history(&changes.list[*index as usize]) {
                    claims.add(changes.keys.rank(*key), *seq, owner);
                }
            }
            self.members.push(break_tie(changes, versions, &mut self.duplicate_dots));
        }
        let mut end = start;
        for owner in start..self.members.len() {
            let index = self.members[owner];
            if !claims.supersede(self.dots[index as usize], owner as u32) {
                self.members[end] = index;
                end += 1;
            }
        }
        if end == start {
            // No element was moved, so the last one is still in its place.
            let last = self.members.len() - 1;
            self.members.swap(start, last);
            end += 1;
        }
        self.members.truncate(end);
    }
}

/// The indices of all changes, ordered by vector id, then by dot.
fn by_vector(changes: &Changes<'_>, dots: &[Dot]) -> Vec<u32> {
    let shared = shared_prefix(changes);
    let prefixes: Vec<u64> =
        changes.list.iter().map(|change| prefix(&change.vector_id.as_bytes()[shared..])).collect();
    let mut order: Vec<u32> = (0..changes.list.len() as u32).collect();
    sort(&mut order, &|one, two| {
        let (a, b) = (one as usize, two as usize);
        prefixes[a]
            .cmp(&prefixes[b])
            .then_with(|| changes.list[a].vector_id.cmp(changes.list[b].vector_id))
            .then_with(|| dots[a].cmp(&dots[b]))
            .then_with(|| changes.order_of_duplicates(&changes.list[a], &changes.list[b]))
    });
    order
}

/// The length of the prefix that all vector ids share.
fn shared_prefix(changes: &Changes<'_>) -> usize {
    let Some((first, rest)) = changes.list.split_first() else { return 0 };
    let first = first.vector_id.as_bytes();
    rest.iter().fold(first.len(), |shared, change| {
        let id = change.vector_id.as_bytes();
        if id.len() >= shared && id[..shared] == first[..shared] {
            return shared;
        }
        id.iter().zip(&first[..shared]).take_while(|(one, two)| one == two).count()
    })
}

/// The first eight bytes as a number of the same order, which usually decides without comparing the text.
fn prefix(bytes: &[u8]) -> u64 {
    let mut head = [0; 8];
    let length = bytes.len().min(8);
    head[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(head)
}

fn vector_id<'a>(changes: &Changes<'a>, index: u32) -> &'a str {
    changes.list[index as usize].vector_id
}

/// Which of several changes with the same dot is kept. Without vectors it is the first, and the rest are reported.
fn break_tie(changes: &Changes<'_>, versions: &[u32], duplicate_dots: &mut Vec<u32>) -> u32 {
    let (first, rest) = (versions[0], &versions[1..]);
    if changes.omits_vectors {
        duplicate_dots.extend(rest.iter().flat_map(|other| [first, *other]));
        return first;
    }
    let mut tie_break = TieBreak::new(changes, first);
    for other in rest {
        tie_break.add(*other);
    }
    tie_break.index
}

/// For each site what the changes of one vector claim to have seen: the greatest sequence number, the change that
/// claims it, and the greatest number that any other change claims.
struct Claims {
    list: Vec<Claim>,
    generation: u32,
}

#[derive(Clone, Copy, Default)]
struct Claim {
    /// The vector that the claim belongs to; claims of earlier vectors are ignored.
    generation: u32,
    owner: u32,
    greatest: u64,
    by_others: u64,
}

impl Claims {
    fn new(sites: usize) -> Self {
        Self { list: vec![Claim::default(); sites], generation: 0 }
    }

    const fn forget(&mut self) {
        self.generation += 1;
    }

    fn add(&mut self, site: u32, seq: u64, owner: u32) {
        let claim = &mut self.list[site as usize];
        if claim.generation != self.generation {
            *claim = Claim { generation: self.generation, owner, greatest: seq, by_others: 0 };
        } else if claim.owner == owner {
            claim.greatest = claim.greatest.max(seq);
        } else if seq > claim.greatest {
            *claim = Claim { owner, greatest: seq, by_others: claim.greatest, ..*claim };
        } else {
            claim.by_others = claim.by_others.max(seq);
        }
    }

    /// Whether a change other than `owner` has seen `dot`.
    fn supersede(&self, dot: Dot, owner: u32) -> bool {
        let claim = self.list[dot.site.number() as usize];
        let seen = match claim.owner.cmp(&owner) {
            _ if claim.generation != self.generation => 0,
            Ordering::Equal => claim.by_others,
            _ => claim.greatest,
        };
        seen >= dot.seq
    }
}
