use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use vectr_delta::Frame;

use crate::TransportError;
use crate::limits::{DECODED_APART, MESSAGE_ARRAYS};
use crate::messages::message::{
    Attachment, AttachmentKind, MAX_MESSAGE, MAX_NAME, Message, StreamForm, StreamName,
};
use crate::messages::wire::frames::{Arrays, Head, MAX_HEAD, PREFIX};
use crate::protocol::{STREAM_LIMIT, STREAM_MALFORMED};

/// Reassembles messages from frames. Memory grows with what has arrived, not with what was announced.
#[derive(Default)]
pub(crate) struct Assembly {
    body: BytesMut,
    arrived: usize,
    whole: usize,
    /// Nothing of this message is kept.
    unwanted: bool,
}

/// A reassembled message.
pub(crate) struct Assembled {
    pub(crate) number: u64,
    pub(crate) wants_answer: bool,
    pub(crate) message: Message,
}

/// What is wrong with the peer's bytes.
pub(crate) enum Fault {
    Malformed(String),
    /// They are sound, and exceed this limit.
    Limit(&'static str),
}

impl Fault {
    /// The code that the stream is aborted with.
    pub(crate) const fn code(&self) -> u32 {
        match self {
            Self::Malformed(_) => STREAM_MALFORMED,
            Self::Limit(_) => STREAM_LIMIT,
        }
    }

    /// The error of the node that received them from `remote`.
    pub(crate) fn into_error(self, remote: SocketAddr) -> TransportError {
        match self {
            Self::Malformed(reason) => TransportError::Protocol { remote, reason },
            Self::Limit(limit) => TransportError::PeerLimit { remote, limit: limit.to_owned() },
        }
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Malformed(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Self::Malformed(reason.to_owned())
    }
}

/// The bytes of a message.
pub(crate) struct Whole(Bytes);

impl Whole {
    /// Decodes the message. A large one is decoded on a thread that may block: other connections go on meanwhile.
    pub(crate) async fn decode(self, stream: &str) -> Result<Assembled, Fault> {
        let Self(body) = self;
        if body.len() < DECODED_APART {
            return read(body, stream);
        }
        let stream = stream.to_owned();
        let decoded = tokio::task::spawn_blocking(move || read(body, &stream)).await;
        decoded.unwrap_or_else(|_| Err("a message that came while the node ended".into()))
    }
}

impl Assembly {
    /// Adds the next frame. Returns the message if this was its last frame, and it is wanted.
    pub(crate) fn push(&mut self, frame: Frame) -> Result<Option<Whole>, Fault> {
        if self.whole == 0 {
            let whole = whole_length(&frame.body)?;
            if frame.body.len() == whole && !frame.more {
                return Ok(Some(Whole(frame.body)));
            }
            self.whole = whole;
        }
        let length = self.arrived + frame.body.len();
        if length > self.whole || frame.more != (length < self.whole) || frame.body.is_empty() {
            return Err(format!("a message of {} bytes that ends after {length}", self.whole).into());
        }
        self.arrived = length;
        if !self.unwanted {
            self.body.extend_from_slice(&frame.body);
        }
        if frame.more {
            return Ok(None);
        }
        let Self { body, unwanted, .. } = std::mem::take(self);
        Ok((!unwanted).then(|| Whole(body.freeze())))
    }

    /// Keeps nothing of the message being assembled, neither what has arrived nor what follows.
    pub(crate) fn forget(&mut self) {
        self.unwanted = self.whole > 0;
        self.body = BytesMut::new();
    }

    /// Whether there is a beginning of a message in memory.
    pub(crate) const fn is_keeping(&self) -> bool {
        self.whole > 0 && !self.unwanted
    }

    /// The length of the message being assembled; 0 if there is none.
    pub(crate) const fn under_way(&self) -> usize {
        self.whole
    }
}

fn whole_length(mut body: &[u8]) -> Result<usize, Fault> {
    if body.len() < PREFIX {
        return Err("a message without lengths".into());
    }
    let (head, content) = (body.get_u32_le() as usize, body.get_u32_le() as usize);
    if head > MAX_HEAD || content > MAX_MESSAGE {
        return Err(format!("a message of {content} bytes with a head of {head}").into());
    }
    Ok(PREFIX + head + content)
}

fn read(mut body: Bytes, stream: &str) -> Result<Assembled, Fault> {
    let head_length = body.get_u32_le() as usize;
    let content = body.get_u32_le() as usize;
    let head = body.split_to(head_length);
    let head: Head = rmp_serde::from_slice(&head).map_err(|error| format!("a message's head: {error}"))?;
    let Arrays::Listed(arrays) = head.attachments else {
        return Err(Fault::Limit(MESSAGE_ARRAYS));
    };
    let claimed = [head.payload, head.metadata].into_iter().flatten().map(u64::from).sum::<u64>()
        + arrays.iter().map(|(_, _, length)| u64::from(*length)).sum::<u64>();
    if claimed != content as u64 || head.id.len() > MAX_NAME || head.kind.len() > MAX_NAME {
        return Err("a message whose parts do not add up to its length".into());
    }
    let form = StreamForm::try_from(head.stream_form)
        .map_err(|form| format!("a stream id of unknown form {form}"))?;
    let payload = text(&mut body, head.payload)?;
    let metadata = text(&mut body, head.metadata)?;
    let mut attachments = Vec::with_capacity(arrays.len());
    for (pointer, kind, length) in arrays {
        let kind =
            AttachmentKind::try_from(kind).map_err(|kind| format!("an array of unknown kind {kind}"))?;
        if kind == AttachmentKind::Floats && length % 4 != 0 {
            return Err(format!("an array of floats of {length} bytes").into());
        }
        attachments.push(Attachment { pointer, kind, bytes: body.split_to(length as usize) });
    }
    Ok(Assembled {
        number: head.number,
        wants_answer: head.wants_answer,
        message: Message {
            id: head.id,
            kind: head.kind,
            stream: StreamName { text: stream.to_owned(), form },
            payload,
            metadata,
            attachments,
        },
    })
}

fn text(body: &mut Bytes, length: Option<u32>) -> Result<Option<String>, Fault> {
    let Some(length) = length else { return Ok(None) };
    let bytes = body.split_to(length as usize);
    let text = std::str::from_utf8(&bytes).map_err(|_| "text that is not UTF-8")?;
    Ok(Some(text.to_owned()))
}
