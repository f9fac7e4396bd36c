use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::{batch, digest_bytes};
use crate::{Codec, DeltaError, Digest, ShardVersion, VectorId, bounded};

/// The messages of a repair: the comparison of two shards range by range. `docs/protocol.md` says who sends which.
#[derive(Clone, Debug, PartialEq)]
pub enum RepairMessage {
    /// The node that does not lead asks the other one to begin.
    Wanted,
    /// The digests of ranges of the leader's rows, at most [`RepairMessage::MAX_RANGES`].
    Digests(Vec<RangeDigest>),
    /// For each of those ranges the number of rows that the other node holds there; `None` where it has the same
    /// digest.
    Counts(Vec<Option<u64>>),
    /// Rows of a range. The leader's ask for those of the other node, which are the answer.
    Rows(RangeRows),
    /// The sender has repaired what it could.
    State(ShardSummary),
}

/// Some ids in the order of their bytes: those above `after`, up to and including `to`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IdRange {
    /// `None`: from the first id on.
    pub after: Option<VectorId>,
    /// `None`: up to the last id.
    pub to: Option<VectorId>,
}

/// A range, and the digest of its rows, those with nothing but tombstones included. A row that does not match its hash
/// counts as missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeDigest {
    /// The range.
    pub range: IdRange,
    /// The digest of its rows.
    #[serde(with = "digest_bytes")]
    pub digest: Digest,
}

/// Whole rows of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeRows {
    /// All rows of the sender in this range are here, except for those that it cannot send.
    pub range: IdRange,
    /// The rows, at most [`RangeRows::MAX_ROWS`]. Index and position mean nothing.
    pub rows: Batch,
}

/// A shard as a whole, read in one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardSummary {
    /// Everything it covers is held, superseded by something held, or below the frontier.
    pub version_vector: ShardVersion,
    /// The shard's digest.
    #[serde(with = "digest_bytes")]
    pub digest: Digest,
    /// Whether the version vector covers every dot held.
    pub tight: bool,
}

impl IdRange {
    /// Whether an id is in the range.
    #[must_use]
    pub fn contains(&self, id: &VectorId) -> bool {
        self.after.as_ref().is_none_or(|after| after < id) && self.to.as_ref().is_none_or(|to| id <= to)
    }

    /// What remains of the range behind `reached`, which begins where it does. `None`: nothing.
    #[must_use]
    pub fn behind(&self, reached: &Self) -> Option<Self> {
        (reached.to != self.to).then(|| Self { after: reached.to.clone(), to: self.to.clone() })
    }

    /// Whether the range can hold an id.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match (&self.after, &self.to) {
            (Some(after), Some(to)) => after < to,
            _ => true,
        }
    }
}

impl ShardSummary {
    /// Whether the two claim the same changes and hold different content.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        self.tight
            && other.tight
            && self.version_vector == other.version_vector
            && self.digest != other.digest
    }
}

impl RangeRows {
    /// The most rows of a message.
    pub const MAX_ROWS: usize = 64;
}

impl RepairMessage {
    /// The most ranges of a message.
    pub const MAX_RANGES: usize = 256;

    /// The kind of frame that carries [`RepairMessage::Rows`]. They may span frames.
    pub(super) const ROWS: u8 = 13;
    /// The kind of frame that carries [`RepairMessage::State`], which may span frames as well.
    pub(super) const STATE: u8 = 14;

    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::Wanted => 10,
            Self::Digests(_) => 11,
            Self::Counts(_) => 12,
            Self::Rows(_) => Self::ROWS,
            Self::State(_) => Self::STATE,
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Wanted => "repair wanted",
            Self::Digests(_) => "range digests",
            Self::Counts(_) => "range counts",
            Self::Rows(_) => "range rows",
            Self::State(_) => "repair state",
        }
    }

    pub(super) fn encode(&self, codec: &dyn Codec, buffer: &mut Vec<u8>) -> Result<(), DeltaError> {
        match self {
            Self::Wanted => Ok(()),
            Self::Digests(digests) => write(digests, buffer),
            Self::Counts(counts) => write(counts, buffer),
            Self::Rows(RangeRows { range, rows }) => {
                let start = buffer.len();
                buffer.extend_from_slice(&[0; 4]);
                write(range, buffer)?;
                // Two ids at most.
                let length = (buffer.len() - start - 4) as u32;
                buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
                batch::encode(rows, codec, buffer)
            }
            Self::State(summary) => write(summary, buffer),
        }
    }

    pub(super) fn decode(kind: u8, body: Bytes, codecs: &[&dyn Codec]) -> Result<Self, DeltaError> {
        match kind {
            10 if body.is_empty() => Ok(Self::Wanted),
            11 => read(&body).map(|Digests(digests)| Self::Digests(digests)),
            12 => read(&body).map(|Counts(counts)| Self::Counts(counts)),
            Self::ROWS => decode_rows(body, codecs).map(Self::Rows),
            Self::STATE => read(&body).map(Self::State),
            _ => Err(malformed(format!("unknown kind {kind}"))),
        }
    }
}

#[derive(Deserialize)]
struct Digests(
    #[serde(deserialize_with = "bounded::list::<_, _, { RepairMessage::MAX_RANGES }>")] Vec<RangeDigest>,
);

#[derive(Deserialize)]
struct Counts(
    #[serde(deserialize_with = "bounded::list::<_, _, { RepairMessage::MAX_RANGES }>")] Vec<Option<u64>>,
);

fn decode_rows(mut body: Bytes, codecs: &[&dyn Codec]) -> Result<RangeRows, DeltaError> {
    let head = body.first_chunk::<4>().ok_or_else(|| malformed("it ends early".into()))?;
    let rows_at = 4 + u32::from_le_bytes(*head) as usize;
    if rows_at > body.len() {
        return Err(malformed("its range ends early".into()));
    }
    let rows = body.split_off(rows_at);
    Ok(RangeRows { range: read(&body[4..])?, rows: batch::decode(codecs, rows)? })
}

fn write<T: Serialize>(value: &T, buffer: &mut Vec<u8>) -> Result<(), DeltaError> {
    value.serialize(&mut rmp_serde::Serializer::new(buffer)).map_err(|error| malformed(error.to_string()))
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, DeltaError> {
    rmp_serde::from_slice(body).map_err(|error| malformed(error.to_string()))
}

const fn malformed(reason: String) -> DeltaError {
    DeltaError::Malformed { what: "message of a repair", reason }
}
