//! Messages that may span frames besides batches: those that carry a shard's version vector.
//!
//! A build that assembles them says so among the codecs of its Hello or Open. The first builds take such a message in
//! one frame only.

use std::fmt;
use std::io::ErrorKind;

use rmp_serde::decode::Error;
use serde::{Deserialize, Deserializer};

use super::message::write;
use crate::{DeltaError, End, Frame, Hello, MAX_SAFE_INTEGER, ShardId, SiteId, VersionVector, bounded};

/// The first message of a stream whose opener's Hello is not durable yet, or does not fit one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The shard.
    pub shard: ShardId,
    /// What the opener can read, as in its Hello. Empty from the first builds.
    pub codecs: Vec<u8>,
}

impl Open {
    /// The opening of this build.
    #[must_use]
    pub fn of_this_build(shard: ShardId) -> Self {
        Self { shard, codecs: vec![SPANNING] }
    }

    /// Appends the body: the shard, and behind it the list, which the first builds leave unread.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) -> Result<(), DeltaError> {
        write(&self.shard, buffer)?;
        if self.codecs.is_empty() { Ok(()) } else { write(&self.codecs, buffer) }
    }

    pub(super) fn read(body: &[u8]) -> Result<Self, Error> {
        let mut reader = rmp_serde::Deserializer::from_read_ref(body);
        let shard = ShardId::deserialize(&mut reader)?;
        let codecs = match bounded::list::<_, u8, MAX_CODECS>(&mut reader) {
            // The first builds end here.
            Err(Error::InvalidMarkerRead(end)) if end.kind() == ErrorKind::UnexpectedEof => Vec::new(),
            read => read?,
        };
        Ok(Self { shard, codecs })
    }
}

impl Hello {
    /// Whether the node assembles Hellos, Ends and Durables that span frames.
    #[must_use]
    pub fn reads_spans(&self) -> bool {
        reads_spans(&self.codecs)
    }

    /// Whether only builds that assemble spanning messages take in this Hello.
    #[must_use]
    pub fn needs_spans(&self) -> bool {
        needs_spans(&self.version_vector, &self.frontier)
    }
}

impl End {
    /// Leaves out names that the message has no room for: they are for people.
    ///
    /// # Errors
    /// If the receiver does not assemble messages, and this one has to span frames.
    pub(crate) fn fit(&mut self, reads_spans: bool) -> Result<(), TooManySites> {
        if !reads_spans && needs_spans(&self.version_vector, &self.frontier) {
            return Err(TooManySites(self.version_vector.len()));
        }
        let (whole, most) = match reads_spans {
            true => (MAX_STATE_BYTES, MAX_SITES),
            false => (Frame::MAX_BODY, VersionVector::MAX_SITES),
        };
        let entries = ENTRY_BYTES * (self.version_vector.len() + self.frontier.len());
        let mut room = whole.saturating_sub(entries + FIXED_BYTES);
        let mut kept = 0;
        self.names.retain(|_, name| {
            let bytes = NAME_BYTES + name.len();
            let fits = kept < most && bytes <= room;
            if fits {
                (kept, room) = (kept + 1, room - bytes);
            }
            fits
        });
        Ok(())
    }
}

/// A shard's version vector has more sites than a peer of the first builds takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManySites(pub(crate) usize);

impl fmt::Display for TooManySites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sites have changed the shard, and the older of the two builds takes in at most {}: update it",
            self.0,
            VersionVector::MAX_SITES
        )
    }
}

/// Whether a list of codecs says that its sender assembles messages.
pub(crate) fn reads_spans(codecs: &[u8]) -> bool {
    codecs.contains(&SPANNING)
}

/// Whether a message with these vectors is more than the first builds take in.
pub(crate) fn needs_spans(version_vector: &VersionVector, frontier: &VersionVector) -> bool {
    version_vector.len() + frontier.len() > VersionVector::MAX_SITES
}

/// For `#[serde(deserialize_with)]`: a shard's version vector, which may have more sites than a row's context.
pub(super) fn version_vector<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VersionVector, D::Error> {
    let flat: Vec<u64> = bounded::list::<_, _, { 2 * MAX_SITES }>(deserializer)?;
    let pairs = flat.chunks_exact(2);
    let paired = pairs.remainder().is_empty();
    let sorted = flat.chunks_exact(2).is_sorted_by(|one, two| one[0] < two[0]);
    let lawful = flat.chunks_exact(2).all(|pair| (1..=MAX_SAFE_INTEGER).contains(&pair[1]));
    if !paired || !sorted || !lawful {
        return Err(serde::de::Error::custom("a version vector is out of order or range"));
    }
    Ok(pairs.map(|pair| (SiteId::new(pair[0]), pair[1])).collect())
}

/// Among the codecs of a Hello or Open: its sender assembles Hellos, Ends and Durables that span frames.
pub(crate) const SPANNING: u8 = 128;

/// The most sites of a shard's version vector: two of them fit a message, with room for names.
pub(crate) const MAX_SITES: usize = 1 << 18;

/// The most bytes of a message other than a batch.
pub(super) const MAX_STATE_BYTES: usize = 16 << 20;

const MAX_CODECS: usize = 64;
/// The most bytes of a site and its number.
pub(super) const ENTRY_BYTES: usize = 18;
/// Those of a site and the head of its name.
const NAME_BYTES: usize = 13;
/// More than everything else in an End.
const FIXED_BYTES: usize = 1_024;
