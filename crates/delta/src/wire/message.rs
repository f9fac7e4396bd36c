use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::msgpack::{malformed, read, write};
use super::repair::RepairMessage;
use super::span::{self, Open};
use super::{batch_codec, digest_bytes};
use crate::{
    ChangeId, ChangelogId, Codec, Cursor, DeltaError, Descriptor, Digest, Frame, NodeName, ShardId,
    ShardVersion, SiteId, Strategy, Timestamp, VectorId, VectorRow, VersionVector, bounded,
    replica::deserialize_vector,
};

/// The messages of a session. `docs/protocol.md` specifies every byte.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Sent first by the node that opened the stream if its Hello is not durable yet, so that the peer can read its own
    /// Hello in the meantime, or if the peer may not be able to assemble its Hello.
    Open(Open),
    /// The first message of a session, in both directions.
    Hello(Box<Hello>),
    /// Rows.
    Batch(Batch),
    /// All rows up to a position have been sent.
    End(Box<End>),
    /// The number of batches applied in this session. For flow control; it does not promise durability.
    Ack(u64),
    /// An `End` and everything before it are durable.
    Durable(ShardVersion),
    /// A `Durable` has arrived.
    Done,
    /// The receiver held rows back.
    Held(Held),
    /// The sender has ended the session.
    Reject(Reject),
    /// A step of a repair. Only for a peer that says [`Hello::REPAIRS`].
    Repair(Box<RepairMessage>),
    /// A Hello, End or Durable that tells its version vector by what is new.
    Since(Since),
    /// The sender does not know what a Hello builds upon: it is to be sent whole.
    TellAll,
}

/// A node's state of a shard, read in one transaction, and its capabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// New for each session; the peer's batches repeat it.
    pub nonce: u64,
    /// The oldest and newest protocol version supported.
    pub protocol: (u16, u16),
    /// The numbers of the codecs that the node can read, and from 128 on of what else it can do or has to say. Unknown
    /// numbers mean nothing.
    #[serde(deserialize_with = "bounded::list::<_, _, 64>")]
    pub codecs: Vec<u8>,
    /// The shard.
    pub shard: ShardId,
    /// Whether the node wants to keep the session open for later commits.
    pub live: bool,
    /// The node's name.
    pub node: NodeName,
    /// The database's current site.
    pub site: SiteId,
    /// The changelog that its change ids belong to.
    pub changelog: ChangelogId,
    /// The properties that the shard's nodes agree on.
    pub descriptor: Descriptor,
    /// How this node resolves concurrent versions.
    #[serde(with = "strategy_byte")]
    pub strategy: Strategy,
    /// Everything it covers is held, superseded by something held, or below the frontier.
    pub version_vector: ShardVersion,
    /// Tombstones below it may have been collected.
    #[serde(deserialize_with = "deserialize_vector")]
    pub frontier: VersionVector,
    /// How far this node has read the peer's changelog.
    pub cursor: Option<Cursor>,
    /// The shard's digest.
    #[serde(with = "digest_bytes")]
    pub digest: Digest,
    /// Whether the version vector covers every dot held.
    pub tight: bool,
    /// The node's wall clock.
    pub clock: Timestamp,
    /// The most unacknowledged batches that the node accepts.
    pub window: u16,
}

impl Hello {
    /// The protocol version of this build.
    pub const PROTOCOL: u16 = 1;
    /// Among `codecs`: the node takes part in repairs.
    pub const REPAIRS: u8 = 128;
    /// Among `codecs`: another program has altered or removed rows of the shard, or some do not match their hashes.
    pub const ALTERED: u8 = 129;

    /// Whether the node takes part in repairs.
    #[must_use]
    pub fn can_repair(&self) -> bool {
        self.codecs.contains(&Self::REPAIRS)
    }

    /// Whether the node knows that its rows were altered or lost.
    #[must_use]
    pub fn is_altered(&self) -> bool {
        self.codecs.contains(&Self::ALTERED)
    }
}

/// The sender's state in the transaction whose page reached the end of its changelog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// The receiver's nonce.
    pub nonce: u64,
    /// Continues the count of the batches.
    pub index: u64,
    /// The sender's changelog has been read up to here.
    pub position: ChangeId,
    /// The sender's version vector, without the sites of rows that it could not send.
    pub version_vector: ShardVersion,
    /// The sender's collected frontier.
    #[serde(deserialize_with = "deserialize_vector")]
    pub frontier: VersionVector,
    /// The digest of the sender's shard.
    #[serde(with = "digest_bytes")]
    pub digest: Digest,
    /// Whether the version vector covers every dot that the sender holds.
    pub tight: bool,
    /// Names of sites in the version vector of which the receiver may not have heard.
    #[serde(with = "names")]
    pub names: BTreeMap<SiteId, NodeName>,
}

/// Rows that the receiver held back. Its cursor stays below them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The reason: a stable error code.
    #[serde(deserialize_with = "bounded::text::<_, 64>")]
    pub code: String,
    /// The number of such rows in this batch.
    pub rows: u64,
    /// Some of their ids.
    #[serde(deserialize_with = "bounded::list::<_, _, { Held::MAX_SHOWN }>")]
    pub shown: Vec<VectorId>,
    /// The newest timestamp among them.
    pub newest: Timestamp,
    /// The receiver's wall clock.
    pub clock: Timestamp,
}

impl Held {
    /// The most ids in `shown`.
    pub const MAX_SHOWN: usize = 8;
}

/// Why the sender ended the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// A stable error code.
    #[serde(deserialize_with = "bounded::text::<_, 64>")]
    pub code: String,
    /// A message for people.
    #[serde(deserialize_with = "bounded::text::<_, 2048>")]
    pub reason: String,
    /// Whether a new sync can help.
    pub retry: bool,
}

/// A Hello, End or Durable that tells its version vector by what it has beyond one that both nodes know.
#[derive(Clone, Debug, PartialEq)]
pub struct Since {
    /// The session whose Hello had that version vector, as the nonces of its two Hellos make it (exclusive or); 0 for this
    /// one.
    pub session: u64,
    /// The message, with the entries beyond it alone.
    pub message: Box<Message>,
}

impl Since {
    /// `u64 session | u8 kind | body`.
    fn write(&self, codec: &dyn Codec, buffer: &mut Vec<u8>) -> Result<(), DeltaError> {
        buffer.extend_from_slice(&self.session.to_le_bytes());
        buffer.push(self.message.kind());
        self.message.write_body(codec, buffer)
    }

    fn read(body: &Bytes, codecs: &[&dyn Codec]) -> Result<Self, DeltaError> {
        let head = body.split_first_chunk::<8>().and_then(|(session, rest)| Some((session, *rest.first()?)));
        let (session, kind) = head.ok_or_else(|| malformed("since", "it is too short"))?;
        if !matches!(kind, HELLO | END | DURABLE) {
            return Err(malformed("since", format!("a message of kind {kind} tells no version vector")));
        }
        let message = Box::new(Message::decode(kind, body.slice(9..), codecs)?);
        Ok(Self { session: u64::from_le_bytes(*session), message })
    }
}

impl Message {
    /// Encodes this message into frames.
    ///
    /// # Errors
    /// `ERR_LIMIT` if it is too large.
    pub fn encode(&self, codec: &dyn Codec) -> Result<Vec<Bytes>, DeltaError> {
        let mut buffer = Vec::with_capacity(self.expected_size());
        buffer.resize(Frame::HEAD, 0);
        self.write_body(codec, &mut buffer)?;
        check_size(self.kind(), self.name(), buffer.len() - Frame::HEAD)?;
        Ok(Frame::seal(self.kind(), buffer))
    }

    fn write_body(&self, codec: &dyn Codec, buffer: &mut Vec<u8>) -> Result<(), DeltaError> {
        match self {
            Self::Open(open) => open.write(buffer),
            Self::Hello(hello) => write(hello, buffer),
            Self::Batch(batch) => batch_codec::encode(batch, codec, buffer),
            Self::End(end) => write(end, buffer),
            Self::Ack(batches) => write(batches, buffer),
            Self::Durable(version_vector) => write(version_vector, buffer),
            Self::Done | Self::TellAll => Ok(()),
            Self::Held(held) => write(held, buffer),
            Self::Reject(reject) => write(reject, buffer),
            Self::Since(since) => since.write(codec, buffer),
            Self::Repair(repair) => repair.encode(codec, buffer),
        }
    }

    /// The name of this kind of message.
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
            Self::Repair(repair) => repair.name(),
            Self::Since(_) => "since",
            Self::TellAll => "tell all",
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => HELLO,
            Self::Batch(_) => BATCH,
            Self::End(_) => END,
            Self::Ack(_) => 4,
            Self::Durable(_) => DURABLE,
            Self::Done => 6,
            Self::Held(_) => 7,
            Self::Reject(_) => 8,
            Self::Open(_) => 9,
            Self::Repair(repair) => repair.kind(),
            Self::Since(_) => SINCE,
            Self::TellAll => 33,
        }
    }

    fn expected_size(&self) -> usize {
        let batch = match self {
            Self::Batch(batch) => batch,
            Self::Hello(hello) => return 512 + span::ENTRY_BYTES * hello.version_vector.len(),
            Self::End(end) => return 512 + span::ENTRY_BYTES * (end.version_vector.len() + end.names.len()),
            Self::Durable(version_vector) => return 64 + span::ENTRY_BYTES * version_vector.len(),
            _ => return 512,
        };
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
            HELLO => read("hello", &body).map(|hello| Self::Hello(Box::new(hello))),
            BATCH => batch_codec::decode(codecs, body).map(Self::Batch),
            END => read("end", &body).map(|end| Self::End(Box::new(end))),
            4 => read("ack", &body).map(Self::Ack),
            DURABLE => read("durable", &body).map(Self::Durable),
            6 if body.is_empty() => Ok(Self::Done),
            7 => read("held", &body).map(Self::Held),
            8 => read("reject", &body).map(Self::Reject),
            9 => Open::read(&body).map(Self::Open).map_err(|error| malformed("open", error)),
            10..=14 => RepairMessage::decode(kind, body, codecs).map(|repair| Self::Repair(Box::new(repair))),
            SINCE => Since::read(&body, codecs).map(Self::Since),
            33 if body.is_empty() => Ok(Self::TellAll),
            _ => Err(malformed("frame", format!("unknown kind {kind}"))),
        }
    }
}

/// Assembles messages from frames.
#[derive(Debug, Default)]
pub struct MessageDecoder {
    pieces: Vec<u8>,
    /// The kind of the message that continues in the next frame.
    continues: Option<u8>,
}

impl MessageDecoder {
    /// Handles a frame. Returns a message once its last frame has arrived.
    ///
    /// # Errors
    /// `ERR_LIMIT` for a message above its limit, `ERR_PROTOCOL` for a malformed one. The decoder cannot be used after
    /// an error.
    pub fn receive(&mut self, frame: Frame, codecs: &[&dyn Codec]) -> Result<Option<Message>, DeltaError> {
        if self.continues.is_none() && !frame.more {
            return Message::decode(frame.kind, frame.body, codecs).map(Some);
        }
        if self.continues.is_some_and(|kind| kind != frame.kind) || most_bytes(frame.kind).is_none() {
            let reason = format!("a frame of kind {} within or in place of a longer message", frame.kind);
            return Err(malformed("frame", reason));
        }
        check_size(frame.kind, "message", self.pieces.len() + frame.body.len())?;
        self.pieces.extend_from_slice(&frame.body);
        self.continues = frame.more.then_some(frame.kind);
        if frame.more {
            return Ok(None);
        }
        Message::decode(frame.kind, std::mem::take(&mut self.pieces).into(), codecs).map(Some)
    }
}

/// The most bytes of the bodies of a message that may span frames; `None` for the other kinds.
const fn most_bytes(kind: u8) -> Option<usize> {
    match kind {
        BATCH | RepairMessage::ROWS => Some(Batch::MAX_BYTES + Frame::MAX_BYTES),
        HELLO | END | DURABLE | SINCE | RepairMessage::STATE => Some(span::MAX_STATE_BYTES),
        _ => None,
    }
}

fn check_size(kind: u8, what: &'static str, size: usize) -> Result<(), DeltaError> {
    let limit = most_bytes(kind).unwrap_or(Frame::MAX_BODY);
    if size <= limit {
        return Ok(());
    }
    Err(DeltaError::Limit { what, size: size as u64, limit: limit as u64 })
}

const HELLO: u8 = 1;
const BATCH: u8 = 2;
const END: u8 = 3;
const DURABLE: u8 = 5;
const SINCE: u8 = 32;

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

mod names {
    use std::collections::BTreeMap;

    use serde::{Deserializer, Serialize, Serializer};

    use crate::{NodeName, ShardVersion, SiteId, bounded};

    pub(super) fn serialize<S: Serializer>(
        names: &BTreeMap<SiteId, NodeName>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        names.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<SiteId, NodeName>, D::Error> {
        bounded::list::<_, (SiteId, NodeName), { ShardVersion::MAX_SITES }>(deserializer)
            .map(|list| list.into_iter().collect())
    }
}
