use bytes::Bytes;

use crate::TransportError;

/// What one agent tells another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// The sender's name for it, at most 1,024 bytes.
    pub id: String,
    /// What kind of message it is, at most 1,024 bytes.
    pub kind: String,
    /// Which messages it stays in order with.
    pub stream: StreamName,
    /// JSON text, in which null stands for each attachment. `None` where there is no payload, or one attachment is
    /// the whole of it.
    pub payload: Option<String>,
    /// JSON text.
    pub metadata: Option<String>,
    /// The arrays of the payload.
    pub attachments: Vec<Attachment>,
}

/// An array within a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// A JSON pointer into the payload, empty for the payload itself.
    pub pointer: String,
    /// What the bytes are.
    pub kind: AttachmentKind,
    /// The content; a multiple of 4 for floats.
    pub bytes: Bytes,
}

/// What the bytes of an attachment are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentKind {
    /// Bytes.
    Bytes = 0,
    /// Little-endian f32.
    Floats = 1,
}

/// Names a stream of messages. Names with equal texts are the same stream, whatever form they were given in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamName {
    /// 1 to 1,024 bytes.
    pub text: String,
    /// How the sender gave it.
    pub form: StreamForm,
}

/// How a sender gave a stream's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamForm {
    /// Not at all: the text is `default`.
    Default = 0,
    /// As text.
    Text = 1,
    /// As a number.
    Number = 2,
}

/// The most bytes that payload, metadata and attachments of a message may have together.
pub const MAX_MESSAGE: usize = 64 << 20;

/// The most bytes of an id, a kind and a stream's name.
pub(crate) const MAX_NAME: usize = 1024;

impl Message {
    /// The bytes that [`MAX_MESSAGE`] limits.
    #[must_use]
    pub fn size(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let attached: usize = self.attachments.iter().map(|attachment| attachment.bytes.len()).sum();
        text(&self.payload) + text(&self.metadata) + attached
    }

    /// What it costs to keep, with an allowance for all that is not content.
    pub(crate) fn weight(&self) -> usize {
        self.size() + self.id.len() + self.kind.len() + OVERHEAD
    }

    /// Checks every limit.
    ///
    /// # Errors
    /// `ERR_LIMIT` for what is too large, `ERR_ARGUMENT` for a name that is empty where it may not be.
    pub fn check(&self) -> Result<(), TransportError> {
        limit("a message", self.size(), MAX_MESSAGE)?;
        limit("a message's id", self.id.len(), MAX_NAME)?;
        limit("a message's type", self.kind.len(), MAX_NAME)?;
        limit("a streamId", self.stream.text.len(), MAX_NAME)?;
        if self.stream.text.is_empty() {
            return Err(TransportError::argument(
                "streamId",
                &"",
                "give a number, or text that is not empty",
            ));
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
