use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::batch::{self, Batch};
use super::msgpack::{malformed, read, write};
use crate::{Codec, DeltaError, SiteId, VectorId, bounded};

/// The messages about rows that hold back themselves alone: the receiver keeps a list of them, and asks for them again
/// by id. Only between nodes that both say [`Hello::LISTS`](crate::Hello::LISTS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldMessage {
    /// The receiver asks for rows on its list, at most [`HeldMessage::MAX_IDS`].
    Ask(Vec<VectorId>),
    /// The sender's answer.
    Answer(HeldAnswer),
    /// Rows that the sender passes over with its next batch or End, because it cannot send them; at most
    /// [`HeldMessage::MAX_IDS`].
    Unsent(Vec<UnsentRow>),
}

/// The answer to the first of the ids that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldAnswer {
    /// How many of the ids it answers: at least one, unless none were asked for.
    pub answered: u64,
    /// Those of them that the sender has no row of.
    pub absent: Vec<VectorId>,
    /// The rows of the others, except for those that the sender cannot send. Index and position mean nothing.
    pub rows: Batch,
}

/// A row that its node cannot send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsentRow {
    /// The vector.
    pub id: VectorId,
    /// The sites in its context, at most [`UnsentRow::MAX_SITES`]; empty where they cannot be told.
    #[serde(deserialize_with = "bounded::list::<_, _, { UnsentRow::MAX_SITES }>")]
    pub sites: Vec<SiteId>,
}

impl UnsentRow {
    /// The most sites that are told.
    pub const MAX_SITES: usize = 256;
}

impl HeldMessage {
    /// The most ids of a message.
    pub const MAX_IDS: usize = 64;

    /// The kind of frame that carries [`HeldMessage::Answer`], which may span frames.
    pub(super) const ANSWER: u8 = 41;

    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::Ask(_) => 40,
            Self::Answer(_) => Self::ANSWER,
            Self::Unsent(_) => 42,
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Ask(_) => "ask",
            Self::Answer(_) => "answer",
            Self::Unsent(_) => "unsent",
        }
    }

    pub(super) fn encode(&self, codec: &dyn Codec, buffer: &mut Vec<u8>) -> Result<(), DeltaError> {
        match self {
            Self::Ask(ids) => write(ids, buffer),
            Self::Answer(HeldAnswer { answered, absent, rows }) => {
                let start = buffer.len();
                buffer.extend_from_slice(&[0; 4]);
                write(&(answered, absent), buffer)?;
                // A few ids at most.
                let length = (buffer.len() - start - 4) as u32;
                buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
                batch::encode(rows, codec, buffer)
            }
            Self::Unsent(rows) => write(rows, buffer),
        }
    }

    pub(super) fn decode(kind: u8, body: Bytes, codecs: &[&dyn Codec]) -> Result<Self, DeltaError> {
        match kind {
            40 => read("ask", &body).map(|List(ids)| Self::Ask(ids)),
            Self::ANSWER => decode_answer(body, codecs).map(Self::Answer),
            _ => read("unsent", &body).map(|List(rows)| Self::Unsent(rows)),
        }
    }
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct List<T>(#[serde(deserialize_with = "bounded::list::<_, _, { HeldMessage::MAX_IDS }>")] Vec<T>);

#[derive(Deserialize)]
struct AnswerHead(u64, List<VectorId>);

fn decode_answer(mut body: Bytes, codecs: &[&dyn Codec]) -> Result<HeldAnswer, DeltaError> {
    let head = body.first_chunk::<4>().ok_or_else(|| malformed("answer", "it ends early"))?;
    let rows_at = (u32::from_le_bytes(*head) as usize).saturating_add(4);
    if rows_at > body.len() {
        return Err(malformed("answer", "its head ends early"));
    }
    let rows = body.split_off(rows_at);
    let AnswerHead(answered, List(absent)) = read("answer", &body[4..])?;
    Ok(HeldAnswer { answered, absent, rows: batch::decode(codecs, rows)? })
}
