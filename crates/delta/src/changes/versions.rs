//! Operations on version vectors with arbitrary text as keys. `numbers` holds the number of entries of a and of b, then
//! the sequence numbers of a and of b; `text` holds the keys of a and of b, one per line.

use crate::{DeltaError, MAX_SAFE_INTEGER, Relation, SiteId, VersionVector};

use crate::changes::key::{self, Keys};
use crate::changes::parse::{argument, whole};

/// How version vector a compares to b: 0 equal, 1 before, 2 after, 3 concurrent. Names of one site count as one key.
///
/// # Errors
/// `ERR_ARGUMENT` for a key of more than 300 bytes or with control characters, a number that is not an integer, and a
/// wrong number of keys.
pub fn relate_versions(text: &str, numbers: &[f64]) -> Result<u8, DeltaError> {
    let pair = Pair::parse(text, numbers, 0)?;
    let vector = |range: std::ops::Range<usize>| {
        range
            .map(|index| (SiteId::new(u64::from(pair.rank(index))), pair.seqs[index]))
            .collect::<VersionVector>()
    };
    let (a, b) = (vector(0..pair.first), vector(pair.first..pair.seqs.len()));
    Ok(match a.relation(&b) {
        Relation::Equal => 0,
        Relation::Before => 1,
        Relation::After => 2,
        Relation::Concurrent => 3,
    })
}

/// The least version vector that covers both: for each key the index of its line and its sequence number, in the order
/// of keys. Of several names of one site, the first in that order is kept.
///
/// # Errors
/// See [`relate_versions`].
pub fn join_versions(text: &str, numbers: &[f64]) -> Result<Vec<f64>, DeltaError> {
    let pair = Pair::parse(text, numbers, 0)?;
    Ok(pair.joined(pair.seqs.clone()))
}

/// Version vector a with one more change of the key on the last line, which follows the keys of a. b has no entries.
///
/// # Errors
/// See [`relate_versions`]; also `ERR_ARGUMENT` if the sequence number would exceed 2^53 - 1.
pub fn increment_version(text: &str, numbers: &[f64]) -> Result<Vec<f64>, DeltaError> {
    let mut pair = Pair::parse(text, numbers, 1)?;
    let own = pair.places.len() - 1;
    let known = (0..own).filter(|index| pair.rank(*index) == pair.rank(own)).map(|index| pair.seqs[index]);
    let next = known.max().unwrap_or_default() + 1;
    if next > MAX_SAFE_INTEGER {
        return Err(argument("sequence number", format!("{next} is above {MAX_SAFE_INTEGER}")));
    }
    pair.seqs.push(next);
    Ok(pair.joined(pair.seqs.clone()))
}

struct Pair<'a> {
    first: usize,
    seqs: Vec<u64>,
    keys: Keys<'a>,
    /// The place of each line's key in `keys`.
    places: Vec<u32>,
}

impl<'a> Pair<'a> {
    fn parse(text: &'a str, numbers: &[f64], more_keys: usize) -> Result<Self, DeltaError> {
        let [first, second, seqs @ ..] = numbers else {
            return Err(argument("numbers", format!("{} numbers are not version vectors", numbers.len())));
        };
        let (first, second) = (whole("entries", *first)?, whole("entries", *second)?);
        let lines: Vec<&str> = if text.is_empty() { Vec::new() } else { text.split('\n').collect() };
        let entries = seqs.len() as u64;
        if first.checked_add(second) != Some(entries) || lines.len() != seqs.len() + more_keys {
            let reason =
                format!("{first} and {second} entries, but {entries} numbers and {} keys", lines.len());
            return Err(argument("version vectors", reason));
        }
        lines.iter().try_for_each(|line| key::check(line))?;
        let (keys, places) = Keys::new(&lines);
        let seqs = seqs.iter().map(|seq| whole("sequence number", *seq)).collect::<Result<_, _>>()?;
        Ok(Self { first: first as usize, seqs, keys, places })
    }

    fn rank(&self, line: usize) -> u32 {
        self.keys.rank(self.places[line])
    }

    fn joined(&self, seqs: Vec<u64>) -> Vec<f64> {
        // By rank, and within a rank by place: the first line with a text represents it.
        let mut best: Vec<Option<(usize, u64)>> = vec![None; self.keys.count()];
        for (line, seq) in seqs.into_iter().enumerate() {
            let slot = &mut best[self.rank(line) as usize];
            *slot = Some(match *slot {
                None => (line, seq),
                Some((kept, most)) => {
                    let is_first = self.places[line] < self.places[kept];
                    (if is_first { line } else { kept }, most.max(seq))
                }
            });
        }
        best.into_iter().flatten().flat_map(|(line, seq)| [line as f64, seq as f64]).collect()
    }
}
