use bytes::Bytes;

use crate::TransportError;
use crate::limits::{ATTACHMENT_BYTES, ATTACHMENTS};

/// A message from one agent to another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// The id given by the sender, at most 1,024 bytes.
    pub id: String,
    /// The type of the message, at most 1,024 bytes.
    pub kind: String,
    /// The stream whose order the message keeps.
    pub stream: StreamName,
    /// JSON text, with null in place of each attachment. `None` if there is no payload, or if one attachment is the
    /// whole payload.
    pub payload: Option<String>,
    /// JSON text.
    pub metadata: Option<String>,
    /// The binary arrays of the payload, at most 16,384.
    pub attachments: Vec<Attachment>,
}

/// A binary array within a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// A JSON pointer to its place in the payload; empty for the payload itself.
    pub pointer: String,
    /// The type of the elements.
    pub kind: AttachmentKind,
    /// The content. Its length is a multiple of 4 for floats.
    pub bytes: Bytes,
}

/// The element type of an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentKind {
    /// Unsigned bytes.
    Bytes = 0,
    /// Little-endian f32.
    Floats = 1,
}

/// The name of a message stream. Names with equal texts mean the same stream, whatever form they were given in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamName {
    /// 1 to 1,024 bytes.
    pub text: String,
    /// The form in which the sender gave it.
    pub form: StreamForm,
}

/// The form in which a sender gave a stream's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamForm {
    /// Not given: the text is `default`.
    Default = 0,
    /// As text.
    Text = 1,
    /// As a number.
    Number = 2,
}

/// The maximum size of a message's payload, metadata and attachments together, in bytes.
pub const MAX_MESSAGE: usize = 64 << 20;

/// The maximum size of an id, a kind or a stream's name, in bytes.
pub(crate) const MAX_NAME: usize = 1024;

impl Message {
    /// The size that [`MAX_MESSAGE`] limits, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let attached: usize = self.attachments.iter().map(|attachment| attachment.bytes.len()).sum();
        text(&self.payload) + text(&self.metadata) + attached
    }

    /// The memory that the message accounts for: its size, what its arrays take besides, and an allowance for everything
    /// else.
    pub(crate) fn weight(&self) -> usize {
        let arrays: usize = self.attachments.iter().map(|one| one.pointer.len() + ATTACHMENT_BYTES).sum();
        self.size() + arrays + self.id.len() + self.kind.len() + OVERHEAD
    }

    /// Checks every limit.
    ///
    /// # Errors
    /// `ERR_LIMIT` if something is too large or has too many parts, `ERR_ARGUMENT` if the stream's name is empty.
    pub fn check(&self) -> Result<(), TransportError> {
        limit("a message", self.size(), MAX_MESSAGE)?;
        let count = self.attachments.len();
        if count > ATTACHMENTS {
            let (what, hint) = ("the arrays of a message", "join them, or send it in parts");
            return Err(TransportError::TooMany { what, count, limit: ATTACHMENTS, hint });
        }
        limit("a message's id", self.id.len(), MAX_NAME)?;
        limit("a message's type", self.kind.len(), MAX_NAME)?;
        limit("a streamId", self.stream.text.len(), MAX_NAME)?;
        if self.stream.text.is_empty() {
            return Err(TransportError::argument("streamId", &"", "give a number or non-empty text"));
        }
        Ok(())
    }
}

impl Default for StreamName {
    fn default() -> Self {
        Self { text: "default".to_owned(), form: StreamForm::Default }
    }
}

impl From<&str> for StreamName {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), form: StreamForm::Text }
    }
}

impl TryFrom<u8> for StreamForm {
    type Error = u8;

    fn try_from(byte: u8) -> Result<Self, u8> {
        [Self::Default, Self::Text, Self::Number].into_iter().find(|form| *form as u8 == byte).ok_or(byte)
    }
}

impl TryFrom<u8> for AttachmentKind {
    type Error = u8;

    fn try_from(byte: u8) -> Result<Self, u8> {
        [Self::Bytes, Self::Floats].into_iter().find(|kind| *kind as u8 == byte).ok_or(byte)
    }
}

pub(crate) const fn limit(what: &'static str, size: usize, limit: usize) -> Result<(), TransportError> {
    if size <= limit {
        return Ok(());
    }
    Err(TransportError::TooLarge { what, size, limit, hint: "send it in parts" })
}

const OVERHEAD: usize = 256;
