use std::fmt;

use crate::{Row, ShardId, Sibling, VectorId};

/// An order-independent fingerprint of a shard's live content: how many rows, and the sum modulo 2^256 of a
/// BLAKE3 hash of each (an incremental set hash after Bellare and Micciancio's AdHash, 1997).
///
/// A row counts if it has a live sibling. The hash covers the shard, the id and the siblings, but not the context,
/// which may differ between nodes permanently.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest {
    rows: u64,
    sum: [u64; 4],
}

impl Digest {
    /// Adds `row`, if it counts.
    pub fn add(&mut self, shard: &ShardId, id: &VectorId, row: &Row) {
        if row.is_live() {
            self.add_any(shard, id, row);
        }
    }

    /// Adds `row`, even if it has nothing but tombstones. A repair compares these as well.
    pub fn add_any(&mut self, shard: &ShardId, id: &VectorId, row: &Row) {
        self.absorb(&Self { rows: 1, sum: row_hash(shard, id, row) });
    }

    /// Adds all rows of another digest, which has none in common with this one.
    pub fn absorb(&mut self, other: &Self) {
        self.rows = self.rows.wrapping_add(other.rows);
        let mut carry = false;
        for (word, part) in self.sum.iter_mut().zip(other.sum) {
            let (sum, first) = word.overflowing_add(part);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*word, carry) = (sum, first | second);
        }
    }

    /// Removes a row that was added before.
    pub fn remove(&mut self, shard: &ShardId, id: &VectorId, row: &Row) {
        if row.is_live() {
            self.withdraw(&Self { rows: 1, sum: row_hash(shard, id, row) });
        }
    }

    /// Removes all rows of another digest, which were added before.
    pub fn withdraw(&mut self, other: &Self) {
        self.rows = self.rows.wrapping_sub(other.rows);
        let mut borrow = false;
        for (word, part) in self.sum.iter_mut().zip(other.sum) {
            let (rest, first) = word.overflowing_sub(part);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            (*word, borrow) = (rest, first | second);
        }
    }

    /// The number of rows that have a live sibling.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// 40 bytes: the count and the sum's four words, little-endian, least significant first.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let words = [self.rows].into_iter().chain(self.sum);
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads the bytes of [`Digest::to_bytes`]. `None` for another length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 40] = bytes.try_into().ok()?;
        let mut words =
            bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
        let rows = words.next()?;
        let mut sum = [0; 4];
        for word in &mut sum {
            *word = words.next()?;
        }
        Some(Self { rows, sum })
    }
}

impl fmt::Display for Digest {
    /// The sum as 64 hexadecimal digits, most significant first, a hyphen and the count in decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sum.iter().rev().try_for_each(|word| write!(f, "{word:016x}"))?;
        write!(f, "-{}", self.rows)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// BLAKE3 over: shard id and vector id, each after its length (u32); then for each sibling, in the order of dots,
/// site (big-endian), number, timestamp, operation (u8), payload hash. Integers little-endian but for the site.
fn row_hash(shard: &ShardId, id: &VectorId, row: &Row) -> [u64; 4] {
    let mut text = Vec::with_capacity(128);
    for name in [shard.as_str(), id.as_str()] {
        text.extend_from_slice(&(name.len() as u32).to_le_bytes());
        text.extend_from_slice(name.as_bytes());
    }
    for sibling in row.siblings() {
        put_sibling(&mut text, sibling);
    }
    let hash = blake3::hash(&text);
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    }
    words
}

fn put_sibling(text: &mut Vec<u8>, sibling: &Sibling) {
    text.extend_from_slice(&sibling.dot().site.number().to_be_bytes());
    text.extend_from_slice(&sibling.dot().seq.to_le_bytes());
    text.extend_from_slice(&sibling.timestamp().as_micros().to_le_bytes());
    text.push(sibling.operation() as u8);
    text.extend_from_slice(&sibling.hash().to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dot, Payload, SiteId, Timestamp, VersionVector};

    fn row(seq: u64, value: f32) -> Row {
        let dot = Dot { site: SiteId::new(7), seq };
        let payload = Payload::from_components(&[value], None).unwrap();
        Row::of_write(Sibling::put(dot, Timestamp::from_micros(1), false, payload), VersionVector::new())
    }

    #[test]
    fn order_leaves_no_trace_and_removal_undoes() {
        let shard = ShardId::new("s").unwrap();
        let ids: Vec<VectorId> = (0..50).map(|i| VectorId::new(&format!("v{i}")).unwrap()).collect();
        let (mut forward, mut backward) = (Digest::default(), Digest::default());
        for (i, id) in ids.iter().enumerate() {
            forward.add(&shard, id, &row(i as u64 + 1, 1.0));
        }
        for (i, id) in ids.iter().enumerate().rev() {
            backward.add(&shard, id, &row(i as u64 + 1, 1.0));
        }
        assert_eq!(forward, backward);
        assert_eq!(Digest::from_bytes(&forward.to_bytes()), Some(forward));
        for (i, id) in ids.iter().enumerate() {
            forward.remove(&shard, id, &row(i as u64 + 1, 1.0));
        }
        assert_eq!(forward, Digest::default());
    }

    #[test]
    fn tombstones_and_contexts_do_not_count() {
        let shard = ShardId::new("s").unwrap();
        let id = VectorId::new("v").unwrap();
        let dot = Dot { site: SiteId::new(7), seq: 1 };
        let mut digest = Digest::default();
        digest.add(
            &shard,
            &id,
            &Row::of_write(Sibling::tombstone(dot, Timestamp::default()), VersionVector::new()),
        );
        assert_eq!(digest, Digest::default());
    }
}
