use bytes::Bytes;

use super::batch;
use super::held_rows::HeldMessage;
use super::kinds::{BATCH, HELLO, OPEN, REJECT, SINCE, TELL_ALL, check_limit, check_size, most_bytes};
use super::msgpack::malformed;
use super::repair::RepairMessage;
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
        let Some(undecoded) = self.assemble(frame)? else { return Ok(None) };
        let message = undecoded.decode(codecs)?;
        self.note_decoded(&message);
        Ok(Some(message))
    }

    /// Like [`Self::receive`], but leaves it to the caller when and where the message is decoded. The next frame may come
    /// once [`Self::note_decoded`] was told of it.
    ///
    /// # Errors
    /// As for [`Self::receive`], but for what decoding finds.
    pub fn assemble(&mut self, frame: Frame) -> Result<Option<Undecoded>, DeltaError> {
        if self.is_opening {
            check_opening(frame.kind, self.pieces.len() + frame.body.len())?;
        }
        if self.continues.is_none() && !frame.more {
            return Ok(Some(Undecoded { kind: frame.kind, body: frame.body }));
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
        Ok(Some(Undecoded { kind: frame.kind, body: std::mem::take(&mut self.pieces).into() }))
    }

    /// The bytes that have arrived of a message of several frames.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.pieces.len()
    }

    /// A message that [`Self::assemble`] returned was decoded.
    pub fn note_decoded(&mut self, message: &Message) {
        self.is_opening &= message.hello().is_none();
    }
}

/// The bytes of a message that has arrived whole.
#[derive(Debug)]
pub struct Undecoded {
    kind: u8,
    body: Bytes,
}

impl Undecoded {
    /// How many bytes the message says that it unpacks to; for one that is not packed, how many it has.
    #[must_use]
    pub fn unpacked_bytes(&self) -> usize {
        let said = match self.kind {
            BATCH => batch::unpacked_bytes(&self.body),
            // Behind a head, which has its length before it.
            RepairMessage::ROWS | HeldMessage::ANSWER => self.body.first_chunk::<4>().and_then(|head| {
                let rows_at = (u32::from_le_bytes(*head) as usize).saturating_add(4);
                batch::unpacked_bytes(self.body.get(rows_at..)?)
            }),
            _ => None,
        };
        said.unwrap_or_default().max(self.body.len())
    }

    /// The bytes of the message as it has arrived.
    #[must_use]
    pub const fn packed_bytes(&self) -> usize {
        self.body.len()
    }

    /// Whether the message is of a kind that carries rows.
    #[must_use]
    pub const fn has_rows(&self) -> bool {
        matches!(self.kind, BATCH | RepairMessage::ROWS | HeldMessage::ANSWER)
    }

    /// Decodes the message.
    ///
    /// # Errors
    /// `ERR_LIMIT` for one that unpacks to more than its limit, `ERR_PROTOCOL` for a malformed one.
    pub fn decode(self, codecs: &[&dyn Codec]) -> Result<Message, DeltaError> {
        Message::decode(self.kind, self.body, codecs)
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
