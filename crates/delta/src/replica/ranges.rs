use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::acceptance::check_counts;
use super::page::{has_heard_of_all, has_too_many_sites, names, sites_of, weight};
use crate::{
    Alteration, CommitNo, Digest, IdRange, NodeName, PageSize, RangeDigest, ShardId, ShardRead, SiteId,
    VectorId, VectorRow, VersionVector,
};

/// Ranges of a shard's rows with their digests, read in one transaction.
#[derive(Clone, Debug)]
pub struct RangeDigests {
    /// In the order of ids.
    pub digests: Vec<RangeDigest>,
    /// Whether the rows of all ranges together have the digest that the shard keeps.
    pub matches: bool,
    /// The transaction.
    pub commit_no: CommitNo,
}

/// How ranges of a shard's rows compare with those of a peer, read in one transaction.
#[derive(Clone, Debug)]
pub struct RangeCounts {
    /// For each range the number of rows; `None` where the digests are the same.
    pub counts: Vec<Option<u64>>,
    /// Whether the rows of all ranges together have the digest that the shard keeps.
    pub matches: bool,
    /// The number of rows read.
    pub scanned: u64,
    /// The transaction.
    pub commit_no: CommitNo,
}

/// Whole rows of a range, read in one transaction.
#[derive(Clone, Debug)]
pub struct RangePage {
    /// The rows, in the order of ids.
    pub rows: Vec<VectorRow>,
    /// The range that the page covers: all that was asked for, or its beginning up to the last row.
    pub range: IdRange,
    /// The names of the sites in the rows.
    pub names: BTreeMap<SiteId, NodeName>,
    /// The collected frontier.
    pub frontier: VersionVector,
    /// The number of rows read.
    pub scanned: u64,
    /// The transaction.
    pub commit_no: CommitNo,
}

/// Divides each range into 8 to 16 parts with equally many rows, fewer where it has fewer rows, and computes the digest of
/// each. Hashes every payload again: a row that does not match its hash counts as missing. A row with nothing but
/// tombstones counts here: one that is lost would let the vector come back.
///
/// # Errors
/// If the storage fails.
pub fn split_ranges<R: ShardRead + ?Sized>(shard: &R, ranges: &[IdRange]) -> Result<RangeDigests, R::Error> {
    let (mut digests, mut total) = (Vec::new(), Digest::default());
    for range in ranges {
        let mut parts = Parts { parts: Vec::new(), size: 1, filled: 1 };
        shard.visit_range(range, &mut |entry| {
            let Some(entry) = entry else { return ControlFlow::Continue(()) };
            parts.add(shard.shard(), &entry);
            if entry.row.is_intact() {
                total.add(shard.shard(), &entry.id, &entry.row);
            }
            ControlFlow::Continue(())
        })?;
        digests.extend(parts.finish(range));
    }
    Ok(RangeDigests { digests, matches: total == shard.state().digest, commit_no: shard.commit_no() })
}

/// Compares ranges of a peer with the same ranges here. Hashes every payload again, as [`split_ranges`] does.
///
/// # Errors
/// If the storage fails.
pub fn compare_ranges<R: ShardRead + ?Sized>(
    shard: &R,
    theirs: &[RangeDigest],
) -> Result<RangeCounts, R::Error> {
    let (mut counts, mut total, mut scanned) = (Vec::with_capacity(theirs.len()), Digest::default(), 0);
    for RangeDigest { range, digest } in theirs {
        let mut ours = Digest::default();
        shard.visit_range(range, &mut |entry| {
            scanned += 1;
            if let Some(entry) = entry.filter(|entry| entry.row.is_intact()) {
                ours.add_any(shard.shard(), &entry.id, &entry.row);
                total.add(shard.shard(), &entry.id, &entry.row);
            }
            ControlFlow::Continue(())
        })?;
        counts.push((ours != *digest).then_some(ours.rows()));
    }
    let matches = total == shard.state().digest;
    Ok(RangeCounts { counts, matches, scanned, commit_no: shard.commit_no() })
}

/// Reads rows of a range for a peer. Leaves out what could not be sent in a page of the changelog either.
///
/// # Errors
/// If the storage fails.
pub fn read_range<R: ShardRead + ?Sized>(
    shard: &R,
    range: &IdRange,
    size: PageSize,
) -> Result<RangePage, R::Error> {
    let is_altered = shard.alteration()? == Alteration::Present;
    let (mut rows, mut bytes, mut scanned, mut full) = (Vec::<VectorRow>::new(), 0, 0, false);
    let mut entries = 0;
    shard.visit_range(range, &mut |entry| {
        scanned += 1;
        let sendable = |entry: &VectorRow| {
            let is_ours = !is_altered || has_heard_of_all(shard.state(), &entry.row);
            is_ours && entry.row.is_intact() && check_counts(&entry.row).is_ok()
        };
        let Some(entry) = entry.filter(sendable) else { return ControlFlow::Continue(()) };
        entries += entry.row.context().len();
        full = bytes >= size.bytes.max(1)
            || rows.len() >= size.rows.max(1)
            || !rows.is_empty() && has_too_many_sites(entries);
        if full {
            return ControlFlow::Break(());
        }
        bytes += weight(&entry);
        rows.push(entry);
        ControlFlow::Continue(())
    })?;
    let last = rows.last().filter(|_| full).map(|entry| entry.id.clone());
    Ok(RangePage {
        range: IdRange { after: range.after.clone(), to: last.or_else(|| range.to.clone()) },
        names: names(shard, rows.iter().flat_map(|entry| sites_of(&entry.row)))?,
        rows,
        frontier: shard.state().frontier.clone(),
        scanned,
        commit_no: shard.commit_no(),
    })
}

/// Consecutive parts of a range, all but the last of `size` rows. One pass suffices, because parts are joined in pairs
/// whenever there would be too many.
struct Parts {
    /// The last id of each, and its digest.
    parts: Vec<(VectorId, Digest)>,
    size: u64,
    /// The rows of the last part.
    filled: u64,
}

impl Parts {
    fn add(&mut self, shard: &ShardId, entry: &VectorRow) {
        if self.filled == self.size {
            if self.parts.len() == FAN_OUT {
                self.join_pairs();
            }
            self.parts.push((entry.id.clone(), Digest::default()));
            self.filled = 0;
        }
        self.filled += 1;
        let Some((last, digest)) = self.parts.last_mut() else { return };
        *last = entry.id.clone();
        if entry.row.is_intact() {
            digest.add_any(shard, &entry.id, &entry.row);
        }
    }

    fn join_pairs(&mut self) {
        let joined = self.parts.chunks(2).filter_map(|pair| {
            let (last, mut digest) = pair.last()?.clone();
            if let [(_, first), _] = pair {
                digest.absorb(first);
            }
            Some((last, digest))
        });
        self.parts = joined.collect();
        self.size *= 2;
    }

    /// The parts as ranges that cover all of `range`: at least one.
    fn finish(self, range: &IdRange) -> Vec<RangeDigest> {
        let mut after = range.after.clone();
        let mut digests: Vec<RangeDigest> = self
            .parts
            .into_iter()
            .map(|(last, digest)| {
                let part = IdRange { after: after.replace(last.clone()), to: Some(last) };
                RangeDigest { range: part, digest }
            })
            .collect();
        match digests.last_mut() {
            Some(last) => last.range.to.clone_from(&range.to),
            None => digests.push(RangeDigest { range: range.clone(), digest: Digest::default() }),
        }
        digests
    }
}

/// The most parts of a range.
const FAN_OUT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dot, Payload, Row, Sibling, Timestamp};

    fn entry(number: u64) -> VectorRow {
        let dot = Dot { site: SiteId::new(1), seq: number + 1 };
        let payload = Payload::from_components(&[1.0], None).unwrap();
        let version = Sibling::put(dot, Timestamp::from_micros(1), false, payload);
        let id = VectorId::new(&format!("v{number:06}")).unwrap();
        VectorRow { id, row: Row::of_write(version, VersionVector::new()) }
    }

    #[test]
    fn parts_cover_the_range_in_order_and_hold_equally_many_rows() {
        let shard = ShardId::new("s").unwrap();
        for rows in [0, 1, 2, 15, 16, 17, 64, 1_000, 10_000] {
            let mut parts = Parts { parts: Vec::new(), size: 1, filled: 1 };
            let (mut total, mut all) = (Digest::default(), Digest::default());
            for entry in (0..rows).map(entry) {
                parts.add(&shard, &entry);
                all.add(&shard, &entry.id, &entry.row);
            }
            let digests = parts.finish(&IdRange::default());
            digests.iter().for_each(|part| total.absorb(&part.digest));
            assert_eq!(total, all);
            assert_eq!(
                (digests[0].range.after.clone(), digests[digests.len() - 1].range.to.clone()),
                (None, None)
            );
            assert!(digests.windows(2).all(|pair| pair[0].range.to == pair[1].range.after));
            assert!(rows < 16 || (8..=FAN_OUT).contains(&digests.len()), "{rows}: {}", digests.len());
            let most = digests.iter().map(|part| part.digest.rows()).max().unwrap();
            assert!(most <= rows.div_ceil(8).max(1), "{rows}: {most}");
        }
    }
}
