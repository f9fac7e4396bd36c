use bytes::Bytes;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use vectr_transport::{Attachment, Message, MessageStatistics, StreamName};

use crate::columns::number;
use crate::failure::Failure;

/// A message.
#[napi(object)]
pub struct MessageRecord {
    /// The sender's name for it.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// The text of the stream's name.
    pub stream: String,
    /// How that was given: 0 not at all, 1 as text, 2 as a number.
    pub stream_form: u8,
    /// JSON text.
    pub payload: Option<String>,
    /// JSON text.
    pub metadata: Option<String>,
    /// The arrays of the payload.
    pub attachments: Vec<AttachmentRecord>,
}

/// An array within a payload.
#[napi(object)]
pub struct AttachmentRecord {
    /// A JSON pointer.
    pub pointer: String,
    /// 0 bytes, 1 floats.
    pub kind: u8,
    /// The content.
    pub bytes: Uint8Array,
}

/// A message that came.
#[napi(object)]
pub struct DeliveryRecord {
    /// What `settle` knows it by.
    pub number: i64,
    /// Where it came from.
    pub address: String,
    /// Whether the sender waits for an answer.
    pub wants_answer: bool,
    /// The message.
    pub message: MessageRecord,
}

/// What a transport holds and has done.
#[napi(object, object_from_js = false)]
pub struct TrafficRecord {
    /// On their way.
    pub outgoing_bytes: i64,
    /// Here, and taken by nobody.
    pub incoming_bytes: i64,
    /// Streams ever opened.
    pub streams: i64,
}

impl TryFrom<MessageRecord> for Message {
    type Error = napi::Error;

    fn try_from(record: MessageRecord) -> napi::Result<Self> {
        let form = record.stream_form.try_into().map_err(|form: u8| unknown("streamForm", form))?;
        let attachment = |one: AttachmentRecord| {
            let kind = one.kind.try_into().map_err(|kind: u8| unknown("kind", kind))?;
            // A copy: JavaScript may change its own from now on.
            Ok(Attachment { pointer: one.pointer, kind, bytes: Bytes::copy_from_slice(&one.bytes) })
        };
        Ok(Self {
            id: record.id,
            kind: record.kind,
            stream: StreamName { text: record.stream, form },
            payload: record.payload,
            metadata: record.metadata,
            attachments: record.attachments.into_iter().map(attachment).collect::<napi::Result<_>>()?,
        })
    }
}

impl From<Message> for MessageRecord {
    fn from(message: Message) -> Self {
        let attachment = |one: Attachment| AttachmentRecord {
            pointer: one.pointer,
            kind: one.kind as u8,
            bytes: Uint8Array::new(one.bytes.into()),
        };
        Self {
            id: message.id,
            kind: message.kind,
            stream: message.stream.text,
            stream_form: message.stream.form as u8,
            payload: message.payload,
            metadata: message.metadata,
            attachments: message.attachments.into_iter().map(attachment).collect(),
        }
    }
}

impl From<MessageStatistics> for TrafficRecord {
    fn from(statistics: MessageStatistics) -> Self {
        Self {
            outgoing_bytes: number(statistics.outgoing_bytes as u64),
            incoming_bytes: number(statistics.incoming_bytes as u64),
            streams: number(statistics.streams),
        }
    }
}

fn unknown(what: &str, value: u8) -> napi::Error {
    Failure::new("ERR_ARGUMENT", &format_args!("{what} {value} has no meaning")).into()
}
