use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::payload::components;
use crate::{DeltaError, Metadata, Row, Sibling, Timestamp};

/// How a shard shows a vector that has several concurrent versions. A pure view: it writes nothing, and every node
/// holds the same versions whatever its strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Strategy {
    /// The version with the greatest (timestamp, site, number).
    #[default]
    LastWriteWins = 1,
    /// The smallest one. Its writer's overwrite can expose another.
    FirstWriteWins = 2,
    /// The mean of the live vectors, and metadata key by key from the latest version that has the key.
    Merge = 3,
    /// As last-write-wins, marked as conflicted until someone chooses.
    Manual = 4,
}

impl Strategy {
    /// All strategies.
    pub const ALL: [Self; 4] = [Self::LastWriteWins, Self::FirstWriteWins, Self::Merge, Self::Manual];

    /// Reads the byte that files and frames hold.
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

    /// What `row` shows. `None`: the vector is deleted.
    #[must_use]
    pub fn view(self, row: &Row) -> Option<View> {
        match row.siblings() {
            [only] => View::of(only, false),
            many => self.view_of_many(many),
        }
    }

    fn view_of_many(self, siblings: &[Sibling]) -> Option<View> {
        let last = || siblings.iter().max_by_key(|sibling| sibling.precedence());
        match self {
            Self::LastWriteWins => View::of(last()?, false),
            Self::FirstWriteWins => {
                View::of(siblings.iter().min_by_key(|sibling| sibling.precedence())?, false)
            }
            Self::Manual => View::of(last()?, true),
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

/// What a reader sees of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Little-endian f32 components.
    pub vector: Bytes,
    /// The metadata shown.
    pub metadata: Option<Metadata>,
    /// The stamp of the winner, or of the newest live version where several were merged.
    pub timestamp: Timestamp,
    /// Whether someone has to choose between the versions.
    pub conflicted: bool,
    /// Whether versions of different dimensions kept a merge from taking place: the last live one is shown.
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
    let mut live: Vec<&Sibling> = siblings.iter().filter(|sibling| sibling.is_live()).collect();
    live.sort_by_key(|sibling| sibling.precedence());
    let (last, earlier) = live.split_last()?;
    let shown = View::of(last, false)?;
    if earlier.is_empty() {
        return Some(shown);
    }
    if live.iter().any(|sibling| vector_of(sibling).len() != shown.vector.len()) {
        return Some(View { unmerged: true, ..shown });
    }
    Some(View { vector: mean(&live), metadata: merged_metadata(&live), ..shown })
}

/// Sums in f64 in the given order, divides once and rounds once to f32: the same bits on every platform.
fn mean(live: &[&Sibling]) -> Bytes {
    let mut sums: Vec<f64> = components(vector_of(live[0])).map(f64::from).collect();
    for sibling in &live[1..] {
        for (sum, component) in sums.iter_mut().zip(components(vector_of(sibling))) {
            *sum += f64::from(component);
        }
    }
    let count = live.len() as f64;
    let mut bytes = vec![0; sums.len() * size_of::<f32>()];
    for (place, sum) in bytes.chunks_exact_mut(size_of::<f32>()).zip(sums) {
        place.copy_from_slice(&((sum / count) as f32).to_le_bytes());
    }
    bytes.into()
}

/// Values are taken over as text, so that no number is written anew. Keys come out sorted.
fn merged_metadata(live: &[&Sibling]) -> Option<Metadata> {
    let given: Vec<&Metadata> = live.iter().filter_map(|sibling| sibling.payload()?.metadata()).collect();
    let mut members: Vec<(Cow<'_, str>, &RawValue)> = Vec::new();
    // The latest first: of equal keys the first one then stands.
    for metadata in given.iter().rev() {
        // Metadata is one JSON object by construction.
        let Ok(Members(object)) = serde_json::from_str(metadata.as_str()) else { continue };
        // Of a key that one object has twice the last one counts, as JSON.parse has it.
        members.extend(object.into_iter().rev());
    }
    members.sort_by(|one, other| one.0.cmp(&other.0));
    members.dedup_by(|later, kept| later.0 == kept.0);
    let mut text =
        Vec::with_capacity(given.iter().map(|metadata| metadata.as_str().len()).sum::<usize>() + 2);
    text.push(b'{');
    for (index, (key, value)) in members.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        serde_json::to_writer(&mut text, key).ok()?;
        text.push(b':');
        text.extend_from_slice(value.get().as_bytes());
    }
    text.push(b'}');
    given.last().and(std::str::from_utf8(&text).ok()).map(Metadata::from_checked)
}

/// A JSON object, its values as text.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}

struct MembersVisitor<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for MembersVisitor<'a> {
    type Value = Members<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'a>, A::Error> {
        let mut members = Vec::new();
        while let Some((Key(key), value)) = map.next_entry()? {
            members.push((key, value));
        }
        Ok(Members(members))
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

fn vector_of(sibling: &Sibling) -> &[u8] {
    sibling.payload().map_or(&[], |payload| payload.vector())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dot, Payload, SiteId, VersionVector};

    fn put(site: u64, at: u64, vector: &[f32], metadata: Option<&str>) -> Sibling {
        let metadata = metadata.map(|text| Metadata::new(text).unwrap());
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
    fn equal_stamps_are_decided_by_site_never_by_place() {
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
    fn only_manual_marks_a_conflict() {
        let row = row(&[put(1, 5, &[1.0], None), put(2, 6, &[2.0], None)]);
        let marked = Strategy::ALL.map(|strategy| strategy.view(&row).unwrap().conflicted);
        assert_eq!(marked, [false, false, false, true]);
    }
}
