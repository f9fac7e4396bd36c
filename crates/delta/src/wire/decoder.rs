use super::kinds::{HELLO, OPEN, REJECT, SINCE, TELL_ALL, check_limit, check_size, most_bytes};
use super::msgpack::malformed;
use super::span::ENTRY_BYTES;
use crate::{Codec, DeltaError, Descriptor, Frame, Hello, Message, ShardVersion, VersionVector};

/// Assembles messages from frames.
#[derive(Debug, Default)]
pub struct MessageDecoder {
    pieces: Vec<u8>,
    /// The kind of the message that continues in the next frame.
    continues: Option<u8>,
    /// Whether nothing but the beginning of a session may come.
    is_opening: bool,
}

impl MessageDecoder {
    /// A decoder of a session's stream. Until a Hello has arrived it takes in only the messages that may come before
    /// one, and no more than [`Hello::MAX_BYTES`] of each: what the peer may do is not known yet.
    #[must_use]
    pub fn of_session() -> Self {
        Self { is_opening: true, ..Self::default() }
    }

    /// Handles a frame. Returns a message once its last frame has arrived.
    ///
    /// # Errors
    /// `ERR_LIMIT` for a message above its limit, `ERR_PROTOCOL` for a malformed one, or one of a kind that may not come
    /// yet. The decoder cannot be used after an error.
    pub fn receive(&mut self, frame: Frame, codecs: &[&dyn Codec]) -> Result<Option<Message>, DeltaError> {
        if self.is_opening {
            check_opening(frame.kind, self.pieces.len() + frame.body.len())?;
        }
        let Some(message) = self.assemble(frame, codecs)? else { return Ok(None) };
        self.is_opening &= message.hello().is_none();
        Ok(Some(message))
    }

    fn assemble(&mut self, frame: Frame, codecs: &[&dyn Codec]) -> Result<Option<Message>, DeltaError> {
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

impl Hello {
    /// The most bytes of a Hello: as many sites as a shard may have, and as many members.
    pub const MAX_BYTES: usize = ENTRY_BYTES * (ShardVersion::MAX_SITES + VersionVector::MAX_SITES)
        + ENTRY_BYTES * Descriptor::MAX_MEMBERS
        + 4_096;
}

fn check_opening(kind: u8, size: usize) -> Result<(), DeltaError> {
    if !matches!(kind, HELLO | REJECT | OPEN | SINCE | TELL_ALL) {
        return Err(malformed("frame", format!("a message of kind {kind} before the hello")));
    }
    check_limit("first message of a session", size, Hello::MAX_BYTES)
}
