use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::merge::{mean, merged_metadata};
use crate::sort::sort_by;
use crate::{DeltaError, Metadata, Row, Sibling, Timestamp};

/// How a shard presents a vector that has several concurrent versions. A strategy is only a view: it writes nothing,
/// and every node holds the same versions whatever its strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Strategy {
    /// The version with the greatest (timestamp, site, sequence number).
    #[default]
    LastWriteWins = 1,
    /// The version with the smallest one. Overwriting it can expose another version.
    FirstWriteWins = 2,
    /// The mean of the live vectors, and metadata key by key from the latest version that has the key.
    Merge = 3,
    /// As last-write-wins, but marked as conflicted until someone chooses.
    Manual = 4,
}

impl Strategy {
    /// All strategies.
    pub const ALL: [Self; 4] = [Self::LastWriteWins, Self::FirstWriteWins, Self::Merge, Self::Manual];

    /// Reads the byte used in files and frames.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| *strategy as u8 == byte)
    }

    /// The documented name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LastWriteWins => "last-write-wins",
            Self::FirstWriteWins => "first-write-wins",
            Self::Merge => "merge",
            Self::Manual => "manual",
        }
    }

    /// What `row` shows; `None` if the vector is deleted.
    #[must_use]
    pub fn view(self, row: &Row) -> Option<View> {
        match row.siblings() {
            [only] => View::of(only, false),
            many => self.view_of_many(many, row.is_conflict()),
        }
    }

    fn view_of_many(self, siblings: &[Sibling], conflict: bool) -> Option<View> {
        let last = || siblings.iter().max_by_key(|sibling| sibling.precedence());
        match self {
            Self::LastWriteWins => View::of(last()?, false),
            Self::FirstWriteWins => {
                View::of(siblings.iter().min_by_key(|sibling| sibling.precedence())?, false)
            }
            Self::Manual => View::of(last()?, conflict),
            _ if !conflict => View::of(last()?, false),
            Self::Merge => merge(siblings),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Strategy {
    type Err = DeltaError;

    fn from_str(text: &str) -> Result<Self, DeltaError> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.name() == text)
            .ok_or_else(|| DeltaError::Strategy { text: text.chars().take(64).collect() })
    }
}

impl TryFrom<u8> for Strategy {
    type Error = DeltaError;

    /// Reads the number that the bindings pass.
    fn try_from(byte: u8) -> Result<Self, DeltaError> {
        Self::from_byte(byte).ok_or_else(|| DeltaError::Strategy { text: byte.to_string() })
    }
}

/// What a reader sees of a row under a strategy.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Little-endian f32 components.
    pub vector: Bytes,
    /// The metadata.
    pub metadata: Option<Metadata>,
    /// The timestamp of the winner, or of the newest live version if several were merged.
    pub timestamp: Timestamp,
    /// Whether someone has to choose between versions.
    pub conflicted: bool,
    /// Whether a merge was impossible because of different dimensions; the last live version is shown instead.
    pub unmerged: bool,
}

impl View {
    fn of(sibling: &Sibling, conflicted: bool) -> Option<Self> {
        let payload = sibling.payload()?;
        Some(Self {
            vector: payload.vector().clone(),
            metadata: payload.metadata().cloned(),
            timestamp: sibling.timestamp(),
            conflicted,
            unmerged: false,
        })
    }
}

fn merge(siblings: &[Sibling]) -> Option<View> {
    match siblings {
        // Nearly all conflicts have two versions, and need no list.
        [one, other] if one.is_live() && other.is_live() => {
            let pair = if one.precedence() <= other.precedence() { [one, other] } else { [other, one] };
            merge_live(&pair, &pair.map(vector_of))
        }
        many => {
            let mut live: Vec<&Sibling> = Vec::with_capacity(many.len());
            // Of twins one counts.
            for sibling in many.iter().filter(|sibling| sibling.is_live()) {
                match live.iter_mut().find(|kept| kept.is_twin(sibling)) {
                    Some(kept) if kept.precedence() < sibling.precedence() => *kept = sibling,
                    Some(_) => {}
                    None => live.push(sibling),
                }
            }
            sort_by(&mut live, |one, other| one.precedence().cmp(&other.precedence()));
            let vectors: Vec<&[u8]> = live.iter().map(|sibling| vector_of(sibling)).collect();
            merge_live(&live, &vectors)
        }
    }
}

/// Merges live versions, in the order in which they win, and their vectors.
fn merge_live(live: &[&Sibling], vectors: &[&[u8]]) -> Option<View> {
    let (last, earlier) = live.split_last()?;
    if earlier.is_empty() {
        return View::of(last, false);
    }
    if vectors.iter().any(|vector| vector.len() != vectors[0].len()) {
        return Some(View { unmerged: true, ..View::of(last, false)? });
    }
    let texts = live.iter().filter_map(|sibling| sibling.payload()?.metadata()).map(Metadata::as_str);
    Some(View {
        vector: mean(vectors).into(),
        metadata: merged_metadata(texts).map(|text| Metadata::from_checked(&text)),
        timestamp: last.timestamp(),
        conflicted: false,
        unmerged: false,
    })
}

fn vector_of(sibling: &Sibling) -> &[u8] {
    sibling.payload().map_or(&[], |payload| payload.vector())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::components;
    use crate::{Dot, Payload, SiteId, VersionVector};

    fn put(site: u64, at: u64, vector: &[f32], metadata: Option<&str>) -> Sibling {
        // Not checked: former builds accepted doubled keys.
        let metadata = metadata.map(Metadata::from_checked);
        let dot = Dot { site: SiteId::new(site), seq: 1 };
        Sibling::put(
            dot,
            Timestamp::from_micros(at),
            false,
            Payload::from_components(vector, metadata).unwrap(),
        )
    }

    fn tombstone(site: u64, at: u64) -> Sibling {
        Sibling::tombstone(Dot { site: SiteId::new(site), seq: 1 }, Timestamp::from_micros(at))
    }

    fn row(siblings: &[Sibling]) -> Row {
        Row::new(siblings.to_vec(), VersionVector::new()).unwrap()
    }

    fn numbers(view: &View) -> Vec<f32> {
        components(&view.vector).collect()
    }

    #[test]
    fn equal_timestamps_are_decided_by_site() {
        let row = row(&[put(2, 5, &[2.0], None), put(1, 5, &[1.0], None)]);
        assert_eq!(numbers(&Strategy::LastWriteWins.view(&row).unwrap()), [2.0]);
        assert_eq!(numbers(&Strategy::FirstWriteWins.view(&row).unwrap()), [1.0]);
    }

    #[test]
    fn a_merge_takes_each_key_from_the_latest_that_has_it() {
        let row = row(&[
            put(1, 5, &[1.0, 0.0], Some(r#"{"a":1.50,"b":"old"}"#)),
            put(2, 6, &[3.0, 1.0], Some(r#"{"b":"new"}"#)),
            tombstone(3, 9),
        ]);
        let view = Strategy::Merge.view(&row).unwrap();
        assert_eq!(numbers(&view), [2.0, 0.5]);
        assert_eq!(view.metadata.unwrap().as_str(), r#"{"a":1.50,"b":"new"}"#);
        assert_eq!(view.timestamp, Timestamp::from_micros(6));
    }

    #[test]
    fn a_mean_is_summed_in_order_divided_once_and_rounded_once() {
        let value = |sibling: usize, place: usize| match place % 5 {
            0 => -0.0,
            1 => f32::MIN_POSITIVE / (1.0 + sibling as f32),
            2 => f32::MAX / (1.0 + place as f32),
            _ => (sibling as f32 + 0.1).sin() * 10_f32.powi(place as i32 % 30 - 15),
        };
        for count in 1..=9 {
            let vectors: Vec<Vec<f32>> =
                (0..count).map(|sibling| (0..130).map(|place| value(sibling, place)).collect()).collect();
            let siblings: Vec<Sibling> =
                vectors.iter().zip(1..).map(|(vector, at)| put(at, at, vector, None)).collect();
            let shown = numbers(&Strategy::Merge.view(&row(&siblings)).unwrap());
            for (place, shown) in shown.iter().enumerate() {
                let parts = vectors.iter().map(|vector| f64::from(vector[place]));
                let sum = parts.reduce(|sum, part| sum + part).unwrap();
                assert_eq!(shown.to_bits(), ((sum / count as f64) as f32).to_bits(), "{count} at {place}");
            }
        }
    }

    #[test]
    fn merged_keys_keep_their_escapes_and_the_last_of_a_doubled_key() {
        let row = row(&[
            put(1, 5, &[1.0], Some(r#"{"q\"uote": {"x" : 1}, "é":1e400, "twice":1, "twice":2}"#)),
            put(2, 6, &[3.0], Some("{}")),
        ]);
        let text = Strategy::Merge.view(&row).unwrap().metadata.unwrap();
        assert_eq!(text.as_str(), r#"{"q\"uote":{"x" : 1},"twice":2,"é":1e400}"#);
    }

    #[test]
    fn a_merge_of_different_dimensions_shows_the_last_and_says_so() {
        let view =
            Strategy::Merge.view(&row(&[put(1, 5, &[1.0], None), put(2, 6, &[1.0, 2.0], None)])).unwrap();
        assert!(view.unmerged && numbers(&view) == [1.0, 2.0]);
    }

    #[test]
    fn a_winning_tombstone_hides_the_vector_except_under_merge() {
        let row = row(&[put(1, 5, &[1.0], None), tombstone(2, 6)]);
        assert!(Strategy::LastWriteWins.view(&row).is_none());
        assert!(Strategy::Manual.view(&row).is_none());
        assert!(Strategy::FirstWriteWins.view(&row).is_some());
        assert!(Strategy::Merge.view(&row).is_some());
    }

    #[test]
    fn versions_that_two_lives_wrote_alike_are_no_conflict() {
        let twins = [put(1, 5, &[1.0, 0.1], None), put(2, 5, &[1.0, 0.1], None)];
        let other = put(3, 6, &[2.0, 0.3], None);
        let (alike, merged) = (row(&twins), row(&[twins[0].clone(), twins[1].clone(), other.clone()]));
        assert!(!alike.is_conflict() && merged.is_conflict());
        for strategy in Strategy::ALL {
            let view = strategy.view(&alike).unwrap();
            assert_eq!((numbers(&view), view.conflicted), (vec![1.0, 0.1], false), "{strategy}");
        }
        let once = Strategy::Merge.view(&row(&[twins[0].clone(), other]));
        assert_eq!(Strategy::Merge.view(&merged), once);
    }

    #[test]
    fn only_manual_marks_a_conflict() {
        let row = row(&[put(1, 5, &[1.0], None), put(2, 6, &[2.0], None)]);
        let marked = Strategy::ALL.map(|strategy| strategy.view(&row).unwrap().conflicted);
        assert_eq!(marked, [false, false, false, true]);
    }
}
