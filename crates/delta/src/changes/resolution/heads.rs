//! Which changes of a vector nothing has superseded.

use std::cmp::Ordering;

use crate::sort::sort;
use crate::{DeltaError, Dot};

use super::tie_break::TieBreak;
use crate::changes::change::Changes;

/// What stands of some changes, vector by vector, in the order of vector ids.
pub(crate) struct Heads {
    /// The number of each change, its site being the rank of its key.
    pub(crate) dots: Vec<Dot>,
    /// Changes that stand, those of one vector in the order of dots.
    members: Vec<u32>,
    /// Where in `members` each vector's end.
    ends: Vec<u32>,
    /// Pairs of changes with one number whose contents could not be compared: one that was kept, one that was not.
    pub(crate) duplicate_dots: Vec<u32>,
}

impl Heads {
    /// A change is superseded where another change of its vector covers its number in its history. Where, against all
    /// sense, each is superseded by another, the one with the greatest (site, number) stands.
    ///
    /// Takes time in proportion to the changes and entries (and to sort them), whatever they say.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a change without a number.
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

    /// The changes of each vector that stand, at least one, in the order of dots.
    pub(crate) fn groups(&self) -> impl ExactSizeIterator<Item = &[u32]> + '_ {
        self.ends.iter().enumerate().map(|(index, end)| {
            let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
            &self.members[start as usize..*end as usize]
        })
    }

    /// Brings changes into the order in which they win: by timestamp, then site, then number.
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
            // Nothing was moved: the last one is still in its place.
            let last = self.members.len() - 1;
            self.members.swap(start, last);
            end += 1;
        }
        self.members.truncate(end);
    }
}

/// All changes in the order of vector ids, those of a vector in the order of dots.
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

/// How many bytes all vector ids begin with alike.
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

/// The first eight bytes as a number that orders as they do: mostly it decides without a look at the text.
fn prefix(bytes: &[u8]) -> u64 {
    let mut head = [0; 8];
    let length = bytes.len().min(8);
    head[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(head)
}

fn vector_id<'a>(changes: &Changes<'a>, index: u32) -> &'a str {
    changes.list[index as usize].vector_id
}

/// Of changes with one number the one that stays. Without vectors that is the first, and the rest are its duplicates.
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

/// For each site what the changes of one vector claim to have seen: the greatest number, who claims it, and the greatest
/// that anyone else claims.
struct Claims {
    list: Vec<Claim>,
    generation: u32,
}

#[derive(Clone, Copy, Default)]
struct Claim {
    /// Which vector it is about; older ones count for nothing.
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

    /// Whether someone other than `owner` has seen `dot`.
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
