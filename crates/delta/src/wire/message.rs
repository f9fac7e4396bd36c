use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::held_rows::HeldMessage;
use super::kinds::{BATCH, DURABLE, END, HELLO, OPEN, REJECT, SINCE, TELL_ALL, check_size};
use super::msgpack::{malformed, read, write};
use super::repair::RepairMessage;
use super::span::Open;
use super::{batch, digest_bytes};
use crate::{
    ChangeId, ChangelogId, Codec, Cursor, DeltaError, Descriptor, Digest, Frame, NodeName, ShardId,
    ShardVersion, SiteId, Strategy, Timestamp, VectorId, VersionVector, bounded, replica::deserialize_vector,
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
    /// About rows that are held back. Only for a peer that says [`Hello::LISTS`].
    HeldRows(Box<HeldMessage>),
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
    /// Among `codecs`: the node lists the rows that it holds back, asks for them by id, and answers such questions.
    pub const LISTS: u8 = 160;
    /// Among `codecs`: the node has rows of the peer on its list.
    pub const HOLDS: u8 = 161;

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

    /// Whether the node lists rows that it holds back.
    #[must_use]
    pub fn can_list(&self) -> bool {
        self.codecs.contains(&Self::LISTS)
    }

    /// Whether the node has rows of the peer on its list.
    #[must_use]
    pub fn holds_rows(&self) -> bool {
        self.codecs.contains(&Self::HOLDS)
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

/// Rows that the receiver held back. Its cursor stays below those that are not on its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The reason: a stable error code.
    #[serde(deserialize_with = "bounded::code")]
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
    #[serde(deserialize_with = "bounded::code")]
    pub code: String,
    /// A message for people. As the peer has sent it: [`Ending`](crate::Ending) has it in one line.
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
        let mut buffer = Vec::with_capacity(self.weight());
        buffer.resize(Frame::HEAD, 0);
        self.write_body(codec, &mut buffer)?;
        check_size(self.kind(), self.name(), buffer.len() - Frame::HEAD)?;
        Ok(Frame::seal(self.kind(), buffer))
    }

    fn write_body(&self, codec: &dyn Codec, buffer: &mut Vec<u8>) -> Result<(), DeltaError> {
        match self {
            Self::Open(open) => open.write(buffer),
            Self::Hello(hello) => write(hello, buffer),
            Self::Batch(batch) => batch::encode(batch, codec, buffer),
            Self::End(end) => write(end, buffer),
            Self::Ack(batches) => write(batches, buffer),
            Self::Durable(version_vector) => write(version_vector, buffer),
            Self::Done | Self::TellAll => Ok(()),
            Self::Held(held) => write(held, buffer),
            Self::Reject(reject) => write(reject, buffer),
            Self::Since(since) => since.write(codec, buffer),
            Self::Repair(repair) => repair.encode(codec, buffer),
            Self::HeldRows(held) => held.encode(codec, buffer),
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
            Self::HeldRows(held) => held.name(),
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
            Self::Reject(_) => REJECT,
            Self::Open(_) => OPEN,
            Self::Repair(repair) => repair.kind(),
            Self::HeldRows(held) => held.kind(),
            Self::Since(_) => SINCE,
            Self::TellAll => TELL_ALL,
        }
    }

    pub(super) fn decode(kind: u8, body: Bytes, codecs: &[&dyn Codec]) -> Result<Self, DeltaError> {
        match kind {
            HELLO => read("hello", &body).map(|hello| Self::Hello(Box::new(hello))),
            BATCH => batch::decode(codecs, body).map(Self::Batch),
            END => read("end", &body).map(|end| Self::End(Box::new(end))),
            4 => read("ack", &body).map(Self::Ack),
            DURABLE => read("durable", &body).map(Self::Durable),
            6 if body.is_empty() => Ok(Self::Done),
            7 => read("held", &body).map(Self::Held),
            REJECT => read("reject", &body).map(Self::Reject),
            OPEN => Open::read(&body).map(Self::Open).map_err(|error| malformed("open", error)),
            10..=14 => RepairMessage::decode(kind, body, codecs).map(|repair| Self::Repair(Box::new(repair))),
            SINCE => Since::read(&body, codecs).map(Self::Since),
            TELL_ALL if body.is_empty() => Ok(Self::TellAll),
            40..=42 => HeldMessage::decode(kind, body, codecs).map(|held| Self::HeldRows(Box::new(held))),
            _ => Err(malformed("frame", format!("unknown kind {kind}"))),
        }
    }
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
