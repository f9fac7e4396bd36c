//! Messages that may span frames besides batches: those that carry a shard's version vector.
//!
//! A build that assembles them says so among the codecs of its Hello or Open. The first builds take such a message in
//! one frame only.

use std::fmt;
use std::io::ErrorKind;

use rmp_serde::decode::Error;
use serde::Deserialize;

use super::msgpack::write;
use crate::{DeltaError, ShardId, ShardVersion, VersionVector, bounded};

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
pub(crate) fn needs_spans(version_vector: &ShardVersion, frontier: &VersionVector) -> bool {
    version_vector.len() + frontier.len() > VersionVector::MAX_SITES
}

/// Among the codecs of a Hello or Open: its sender assembles Hellos, Ends and Durables that span frames.
pub(crate) const SPANNING: u8 = 192;

/// The most bytes of a message other than a batch.
pub(super) const MAX_STATE_BYTES: usize = 16 << 20;

const MAX_CODECS: usize = 64;
/// The most bytes of a site and its number.
pub(super) const ENTRY_BYTES: usize = 18;
