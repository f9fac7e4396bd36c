use bytes::{Buf, Bytes, BytesMut};
use vectr_delta::Frame;

use crate::messages::message::{
    Attachment, AttachmentKind, MAX_MESSAGE, MAX_NAME, Message, StreamForm, StreamName,
};
use crate::messages::wire::frames::{Head, MAX_HEAD, PREFIX};

/// Reassembles messages from frames. Memory grows with what has arrived, not with what was announced.
#[derive(Default)]
pub(crate) struct Assembly {
    body: BytesMut,
    whole: usize,
}

/// A reassembled message.
pub(crate) struct Assembled {
    pub(crate) number: u64,
    pub(crate) wants_answer: bool,
    pub(crate) message: Message,
}

/// What is wrong with the peer's bytes.
pub(crate) type Fault = String;

impl Assembly {
    /// Adds the next frame. Returns the message if this was its last frame.
    pub(crate) fn push(&mut self, frame: Frame, stream: &str) -> Result<Option<Assembled>, Fault> {
        if self.whole == 0 {
            let whole = whole_length(&frame.body)?;
            if frame.body.len() == whole && !frame.more {
                return read(frame.body, stream).map(Some);
            }
            self.whole = whole;
        }
        let length = self.body.len() + frame.body.len();
        if length > self.whole || frame.more != (length < self.whole) || frame.body.is_empty() {
            return Err(format!("a message of {} bytes that ends after {length}", self.whole));
        }
        self.body.extend_from_slice(&frame.body);
        if frame.more {
            return Ok(None);
        }
        self.whole = 0;
        read(self.body.split().freeze(), stream).map(Some)
    }

    /// The length of the message being assembled; 0 if there is none.
    pub(crate) const fn under_way(&self) -> usize {
        self.whole
    }
}

fn whole_length(mut body: &[u8]) -> Result<usize, Fault> {
    if body.len() < PREFIX {
        return Err("a message without lengths".to_owned());
    }
    let (head, content) = (body.get_u32_le() as usize, body.get_u32_le() as usize);
    if head > MAX_HEAD || content > MAX_MESSAGE {
        return Err(format!("a message of {content} bytes with a head of {head}"));
    }
    Ok(PREFIX + head + content)
}

fn read(mut body: Bytes, stream: &str) -> Result<Assembled, Fault> {
    let head_length = body.get_u32_le() as usize;
    let content = body.get_u32_le() as usize;
    let head = body.split_to(head_length);
    let head: Head = rmp_serde::from_slice(&head).map_err(|error| format!("a message's head: {error}"))?;
    let claimed = [head.payload, head.metadata].into_iter().flatten().map(u64::from).sum::<u64>()
        + head.attachments.iter().map(|(_, _, length)| u64::from(*length)).sum::<u64>();
    if claimed != content as u64 || head.id.len() > MAX_NAME || head.kind.len() > MAX_NAME {
        return Err("a message whose parts do not add up to its length".to_owned());
    }
    let form = StreamForm::try_from(head.stream_form)
        .map_err(|form| format!("a stream id of unknown form {form}"))?;
    let payload = text(&mut body, head.payload)?;
    let metadata = text(&mut body, head.metadata)?;
    let mut attachments = Vec::with_capacity(head.attachments.len());
    for (pointer, kind, length) in head.attachments {
        let kind =
            AttachmentKind::try_from(kind).map_err(|kind| format!("an array of unknown kind {kind}"))?;
        if kind == AttachmentKind::Floats && length % 4 != 0 {
            return Err(format!("an array of floats of {length} bytes"));
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
    let text = std::str::from_utf8(&bytes).map_err(|_| "text that is not UTF-8".to_owned())?;
    Ok(Some(text.to_owned()))
}
