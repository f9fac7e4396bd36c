use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::batch_codec;
use crate::{
    ChangeId, ChangelogId, Codec, Cursor, DeltaError, Descriptor, Digest, Frame, NodeName, ShardId, SiteId,
    Strategy, Timestamp, VectorId, VectorRow, VersionVector, bounded,
};

/// What the nodes of a session say to each other. `docs/protocol.md` gives every byte.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Before everything else, where whoever opened the stream still waits for its own Hello to be durable: the
    /// peer can read its own in the meantime.
    Open(ShardId),
    /// First, both ways.
    Hello(Box<Hello>),
    /// Rows.
    Batch(Batch),
    /// All rows up to a position have been sent.
    End(Box<End>),
    /// How many batches have been applied in this session: flow control, no promise.
    Ack(u64),
    /// An `End` and all before it survive a power cut.
    Durable(VersionVector),
    /// A `Durable` has arrived.
    Done,
    /// Rows were held back by the receiver.
    Held(Held),
    /// The session is over, by the sender's decision.
    Reject(Reject),
}

/// A node's state of a shard, read in one transaction, and what it offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Chosen anew for each session; the peer's batches repeat it.
    pub nonce: u64,
    /// The oldest and newest protocol version spoken.
    pub protocol: (u16, u16),
    /// The numbers of the codecs that can be read.
    #[serde(deserialize_with = "bounded::list::<_, _, 64>")]
    pub codecs: Vec<u8>,
    /// Which shard.
    pub shard: ShardId,
    /// Whether the session stays open for later commits.
    pub live: bool,
    /// What the node is called.
    pub node: NodeName,
    /// The site of the database's present life.
    pub site: SiteId,
    /// The life of its change ids.
    pub changelog: ChangelogId,
    /// What the shard's nodes agree on.
    pub descriptor: Descriptor,
    /// How this node shows concurrent versions.
    #[serde(with = "strategy_byte")]
    pub strategy: Strategy,
    /// Everything in it is held, superseded by something held, or below the frontier.
    pub version_vector: VersionVector,
    /// Tombstones below it may be gone.
    pub frontier: VersionVector,
    /// How far this node has read the peer's changelog.
    pub cursor: Option<Cursor>,
    /// Of the shard.
    #[serde(with = "digest_bytes")]
    pub digest: Digest,
    /// Whether every held dot is inside the version vector.
    pub tight: bool,
    /// The node's wall clock.
    pub clock: Timestamp,
    /// The most batches that may be unacknowledged.
    pub window: u16,
}

impl Hello {
    /// The protocol version of this build.
    pub const PROTOCOL: u16 = 1;
}

/// The sender's state in the transaction whose page left nothing behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// The receiver's nonce.
    pub nonce: u64,
    /// Counts on from the batches.
    pub index: u64,
    /// The sender's changelog has been read up to here.
    pub position: ChangeId,
    /// Of the sender; sites of rows that it could not send are left out.
    pub version_vector: VersionVector,
    /// The sender's collected frontier.
    pub frontier: VersionVector,
    /// Of the sender's shard.
    #[serde(with = "digest_bytes")]
    pub digest: Digest,
    /// Whether every dot that the sender holds is inside the version vector.
    pub tight: bool,
    /// What the sites in the version vector are called.
    #[serde(with = "names")]
    pub names: BTreeMap<SiteId, NodeName>,
}

/// Rows that the receiver could not take in. Its cursor stays below them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Why: a stable error code.
    #[serde(deserialize_with = "bounded::text::<_, 64>")]
    pub code: String,
    /// How many rows in this batch.
    pub rows: u64,
    /// Some of them.
    #[serde(deserialize_with = "bounded::list::<_, _, { Held::MAX_SHOWN }>")]
    pub shown: Vec<VectorId>,
    /// The newest stamp among them.
    pub newest: Timestamp,
    /// The receiver's wall clock.
    pub clock: Timestamp,
}

impl Held {
    /// The most ids named.
    pub const MAX_SHOWN: usize = 8;
}

/// Why a session was ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// A stable error code.
    #[serde(deserialize_with = "bounded::text::<_, 64>")]
    pub code: String,
    /// For people.
    #[serde(deserialize_with = "bounded::text::<_, 2048>")]
    pub reason: String,
    /// Whether syncing afresh can help.
    pub retry: bool,
}

impl Message {
    /// The frames of this message.
    ///
    /// # Errors
    /// `ERR_LIMIT` where it is too large.
    pub fn encode(&self, codec: &dyn Codec) -> Result<Vec<Bytes>, DeltaError> {
        let mut buffer = Vec::with_capacity(self.expected_size());
        buffer.resize(Frame::HEAD, 0);
        match self {
            Self::Open(shard) => write(shard, &mut buffer)?,
            Self::Hello(hello) => write(hello, &mut buffer)?,
            Self::Batch(batch) => batch_codec::encode(batch, codec, &mut buffer)?,
            Self::End(end) => write(end, &mut buffer)?,
            Self::Ack(batches) => write(batches, &mut buffer)?,
            Self::Durable(version_vector) => write(version_vector, &mut buffer)?,
            Self::Done => {}
            Self::Held(held) => write(held, &mut buffer)?,
            Self::Reject(reject) => write(reject, &mut buffer)?,
        }
        let frames = Frame::seal(self.kind(), buffer);
        if frames.len() > 1 && !matches!(self, Self::Batch(_)) {
            let size = frames.iter().map(Bytes::len).sum::<usize>() as u64;
            return Err(DeltaError::Limit { what: self.name(), size, limit: Frame::MAX_BYTES as u64 });
        }
        Ok(frames)
    }

    /// What this message is called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Hello(_) => "hello",
            Self::Batch(_) => "batch",
            Self::End(_) => "end",
            Self::Ack(_) => "ack",
            Self::Durable(_) => "durable",
            Self::Done => "done",
            Self::Held(_) => "held",
            Self::Reject(_) => "reject",
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Batch(_) => BATCH,
            Self::End(_) => 3,
            Self::Ack(_) => 4,
            Self::Durable(_) => 5,
            Self::Done => 6,
            Self::Held(_) => 7,
            Self::Reject(_) => 8,
            Self::Open(_) => 9,
        }
    }

    fn expected_size(&self) -> usize {
        let Self::Batch(batch) = self else { return 512 };
        let payload = |row: &VectorRow| {
            row.row.siblings().iter().filter_map(|sibling| sibling.payload()).fold(
                64 + row.id.len(),
                |sum, payload| {
                    sum + 40
                        + payload.vector().len()
                        + payload.metadata().map_or(0, |text| text.as_str().len())
                },
            )
        };
        512 + batch.rows.iter().map(payload).sum::<usize>()
    }

    fn decode(kind: u8, body: Bytes, codecs: &[&dyn Codec]) -> Result<Self, DeltaError> {
        match kind {
            1 => read("hello", &body).map(|hello| Self::Hello(Box::new(hello))),
            BATCH => batch_codec::decode(codecs, body).map(Self::Batch),
            3 => read("end", &body).map(|end| Self::End(Box::new(end))),
            4 => read("ack", &body).map(Self::Ack),
            5 => read("durable", &body).map(Self::Durable),
            6 if body.is_empty() => Ok(Self::Done),
            7 => read("held", &body).map(Self::Held),
            8 => read("reject", &body).map(Self::Reject),
            9 => read("open", &body).map(Self::Open),
            _ => Err(DeltaError::Malformed { what: "frame", reason: format!("unknown kind {kind}") }),
        }
    }
}

/// Puts messages together from frames.
#[derive(Debug, Default)]
pub struct MessageDecoder {
    pieces: Vec<u8>,
    is_mid_batch: bool,
}

impl MessageDecoder {
    /// Takes a frame in; a message once its last frame is here.
    ///
    /// # Errors
    /// `ERR_LIMIT` for a message above its limit, `ERR_PROTOCOL` for one that does not read. Of no further use then.
    pub fn receive(&mut self, frame: Frame, codecs: &[&dyn Codec]) -> Result<Option<Message>, DeltaError> {
        if !self.is_mid_batch && !frame.more {
            return Message::decode(frame.kind, frame.body, codecs).map(Some);
        }
        if frame.kind != BATCH {
            let reason = format!("a frame of kind {} within a batch", frame.kind);
            return Err(DeltaError::Malformed { what: "frame", reason });
        }
        let size = self.pieces.len() + frame.body.len();
        if size > Batch::MAX_BYTES + Frame::MAX_BYTES {
            return Err(DeltaError::Limit {
                what: "batch",
                size: size as u64,
                limit: Batch::MAX_BYTES as u64,
            });
        }
        self.pieces.extend_from_slice(&frame.body);
        self.is_mid_batch = frame.more;
        if frame.more {
            return Ok(None);
        }
        Message::decode(BATCH, std::mem::take(&mut self.pieces).into(), codecs).map(Some)
    }
}

const BATCH: u8 = 2;

fn write<T: Serialize>(value: &T, buffer: &mut Vec<u8>) -> Result<(), DeltaError> {
    value
        .serialize(&mut rmp_serde::Serializer::new(buffer))
        .map_err(|error| DeltaError::Malformed { what: "message", reason: error.to_string() })
}

fn read<'a, T: Deserialize<'a>>(what: &'static str, body: &'a [u8]) -> Result<T, DeltaError> {
    rmp_serde::from_slice(body).map_err(|error| DeltaError::Malformed { what, reason: error.to_string() })
}

mod strategy_byte {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::Strategy;

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(strategy: &Strategy, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*strategy as u8)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Strategy, D::Error> {
        let byte = u8::deserialize(deserializer)?;
        Strategy::from_byte(byte).ok_or_else(|| Error::custom(format_args!("unknown strategy {byte}")))
    }
}

mod digest_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use serde_bytes::Bytes;

    use crate::Digest;

    pub(super) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&digest.to_bytes())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let bytes = <&Bytes>::deserialize(deserializer)?;
        Digest::from_bytes(bytes).ok_or_else(|| Error::custom("a digest has 40 bytes"))
    }
}

mod names {
    use std::collections::BTreeMap;

    use serde::{Deserializer, Serialize, Serializer};

    use crate::{NodeName, SiteId, VersionVector, bounded};

    pub(super) fn serialize<S: Serializer>(
        names: &BTreeMap<SiteId, NodeName>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        names.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<SiteId, NodeName>, D::Error> {
        const MAX: usize = VersionVector::MAX_SITES;
        bounded::list::<_, (SiteId, NodeName), MAX>(deserializer).map(|list| list.into_iter().collect())
    }
}
