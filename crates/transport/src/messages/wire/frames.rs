use std::fmt;

use bytes::{Buf, Bytes};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vectr_delta::Frame;

use crate::TransportError;
use crate::limits::ATTACHMENTS;
use crate::messages::message::{Message, limit};

/// The kind of a frame on a message stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FrameKind {
    /// From the sender, first: the name of the stream.
    Open = 0,
    /// From the sender: a message.
    Message = 1,
    /// To the sender: how many messages the application has taken so far (u64).
    Taken = 2,
    /// To the sender: a message that answers the one with this number.
    Answer = 3,
    /// To the sender: the handler of the message with this number (u64) failed; text follows.
    Failed = 4,
}

impl FrameKind {
    pub(crate) fn of(frame: &Frame) -> Option<Self> {
        [Self::Open, Self::Message, Self::Taken, Self::Answer, Self::Failed]
            .into_iter()
            .find(|kind| *kind as u8 == frame.kind)
    }
}

/// The head of a message, which precedes its content, as a MessagePack list.
#[derive(Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) wants_answer: bool,
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) stream_form: u8,
    pub(crate) payload: Option<u32>,
    pub(crate) metadata: Option<u32>,
    pub(crate) attachments: Arrays,
}

/// The arrays of a message.
pub(crate) enum Arrays {
    /// Pointer, kind and length of each.
    Listed(Vec<(String, u8, u32)>),
    /// More than [`ATTACHMENTS`]. They were not kept.
    TooMany,
}

impl Serialize for Arrays {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Listed(arrays) => arrays.serialize(to),
            Self::TooMany => Err(serde::ser::Error::custom("they were not kept")),
        }
    }
}

impl<'de> Deserialize<'de> for Arrays {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(ArraysVisitor)
    }
}

struct ArraysVisitor;

impl<'de> Visitor<'de> for ArraysVisitor {
    type Value = Arrays;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of arrays")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Arrays, A::Error> {
        let mut arrays = Vec::new();
        while arrays.len() < ATTACHMENTS {
            let Some(array) = list.next_element()? else { return Ok(Arrays::Listed(arrays)) };
            arrays.push(array);
        }
        if list.next_element::<IgnoredAny>()?.is_none() {
            return Ok(Arrays::Listed(arrays));
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Arrays::TooMany)
    }
}

/// The frames of one message, built one at a time: `u32 head length | u32 content length | head | content`.
pub(crate) struct Frames {
    kind: FrameKind,
    parts: std::vec::IntoIter<Bytes>,
    part: Bytes,
    left: usize,
}

/// # Errors
/// `ERR_LIMIT` if the head is larger than [`MAX_HEAD`].
pub(crate) fn frames(
    kind: FrameKind,
    number: u64,
    wants_answer: bool,
    message: Message,
) -> Result<Frames, TransportError> {
    let content = message.size();
    // `Message::check` has made sure that no length is above 64 MiB.
    let length = |text: &Option<String>| text.as_ref().map(|text| text.len() as u32);
    let head = Head {
        number,
        wants_answer,
        id: message.id,
        kind: message.kind,
        stream_form: message.stream.form as u8,
        payload: length(&message.payload),
        metadata: length(&message.metadata),
        attachments: Arrays::Listed(
            (message.attachments.iter())
                .map(|one| (one.pointer.clone(), one.kind as u8, one.bytes.len() as u32))
                .collect(),
        ),
    };
    let head = rmp_serde::to_vec(&head).expect("writing to memory does not fail");
    limit("the list of a message's arrays", head.len(), MAX_HEAD)?;
    let mut first = Vec::with_capacity(PREFIX + head.len());
    first.extend_from_slice(&(head.len() as u32).to_le_bytes());
    first.extend_from_slice(&(content as u32).to_le_bytes());
    first.extend_from_slice(&head);
    let left = first.len() + content;
    let mut parts = vec![Bytes::from(first)];
    parts.extend([message.payload, message.metadata].into_iter().flatten().map(Bytes::from));
    parts.extend(message.attachments.into_iter().map(|attachment| attachment.bytes));
    Ok(Frames { kind, parts: parts.into_iter(), part: Bytes::new(), left })
}

/// A frame that contains a number and a text.
pub(crate) fn note(kind: FrameKind, number: u64, text: &str) -> Bytes {
    let mut buffer = vec![0; Frame::HEAD];
    buffer.extend_from_slice(&number.to_le_bytes());
    buffer.extend_from_slice(text.as_bytes());
    Frame::piece(kind as u8, buffer, false)
}

/// The number and the text of a [`note`].
pub(crate) fn read_note(mut body: Bytes) -> Option<(u64, String)> {
    if body.len() < 8 {
        return None;
    }
    let number = body.get_u64_le();
    Some((number, std::str::from_utf8(&body).ok()?.to_owned()))
}

/// The first frame of a stream.
pub(crate) fn opening(name: &str) -> Bytes {
    let mut buffer = vec![0; Frame::HEAD];
    buffer.extend_from_slice(name.as_bytes());
    Frame::piece(FrameKind::Open as u8, buffer, false)
}

impl Iterator for Frames {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.left == 0 {
            return None;
        }
        let size = self.left.min(Frame::MAX_BODY);
        let mut buffer = Vec::with_capacity(Frame::HEAD + size + 8);
        buffer.resize(Frame::HEAD, 0);
        while buffer.len() < Frame::HEAD + size {
            if self.part.is_empty() {
                self.part = self.parts.next().unwrap_or_default();
            }
            let wanted = (Frame::HEAD + size - buffer.len()).min(self.part.len());
            buffer.extend_from_slice(&self.part.split_to(wanted));
        }
        self.left -= size;
        Some(Frame::piece(self.kind as u8, buffer, self.left > 0))
    }
}

/// The size of what precedes a head, in bytes.
pub(crate) const PREFIX: usize = 8;
/// The maximum size of a head, in bytes.
pub(crate) const MAX_HEAD: usize = 4 << 20;
/// How much of a stream may be sent before it is taken. Senders obey it so that a stalled stream does not fill the
/// connection's window, which all streams share. Receivers read no further either.
pub(crate) const WINDOW_BYTES: usize = 4 << 20;
pub(crate) const WINDOW_MESSAGES: usize = 4096;
