use bytes::{Buf, Bytes, BytesMut};
use xxhash_rust::xxh3::xxh3_64;

use crate::DeltaError;

/// A message, or a piece of one, on the wire:
/// `u32 length | u8 kind | u8 flags | body | u64 xxh3`, little-endian.
///
/// `length` counts the bytes after itself; the XXH3-64 covers everything before it, including `length`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The kind of message.
    pub kind: u8,
    /// Whether the body continues in the next frame, which has the same kind.
    pub more: bool,
    /// The message, or a piece of it.
    pub body: Bytes,
}

impl Frame {
    /// The most bytes of a whole frame.
    pub const MAX_BYTES: usize = 1 << 20;
    /// The bytes before the body.
    pub const HEAD: usize = 6;
    const TAIL: usize = 8;
    /// The most bytes of a body.
    pub const MAX_BODY: usize = Self::MAX_BYTES - Self::HEAD - Self::TAIL;

    /// Makes a frame from one piece of a body, at most [`Frame::MAX_BODY`] bytes, which `buffer` holds after
    /// [`Frame::HEAD`] reserved bytes. `more` says whether the body continues.
    #[must_use]
    pub fn piece(kind: u8, mut buffer: Vec<u8>, more: bool) -> Bytes {
        Self::finish(&mut buffer, kind, more);
        buffer.into()
    }

    /// Makes frames from a body, which `buffer` holds after [`Frame::HEAD`] reserved bytes. A body that fits one frame
    /// is not copied.
    pub(crate) fn seal(kind: u8, mut buffer: Vec<u8>) -> Vec<Bytes> {
        if buffer.len() - Self::HEAD <= Self::MAX_BODY {
            Self::finish(&mut buffer, kind, false);
            return vec![buffer.into()];
        }
        let pieces: Vec<&[u8]> = buffer[Self::HEAD..].chunks(Self::MAX_BODY).collect();
        let last = pieces.len() - 1;
        let seal_piece = |(index, piece): (usize, &&[u8])| {
            let mut frame = Vec::with_capacity(Self::HEAD + piece.len() + Self::TAIL);
            frame.resize(Self::HEAD, 0);
            frame.extend_from_slice(piece);
            Self::finish(&mut frame, kind, index < last);
            Bytes::from(frame)
        };
        pieces.iter().enumerate().map(seal_piece).collect()
    }

    fn finish(frame: &mut Vec<u8>, kind: u8, more: bool) {
        // At most 1 MiB, by the callers.
        let length = (frame.len() - 4 + Self::TAIL) as u32;
        frame[..4].copy_from_slice(&length.to_le_bytes());
        frame[4] = kind;
        frame[5] = u8::from(more);
        let checksum = xxh3_64(frame);
        frame.extend_from_slice(&checksum.to_le_bytes());
    }
}

/// Splits a stream of bytes into frames. After an error the stream cannot be used any further.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: BytesMut,
}

impl FrameDecoder {
    /// Room for the beginning of a frame, which is all of most.
    const FIRST_BYTES: usize = 320 << 10;

    /// Adds bytes that have arrived.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, once it has arrived in full.
    ///
    /// # Errors
    /// `ERR_LIMIT` for a length above 1 MiB, before anything is allocated for it; `ERR_PROTOCOL` for a length that is
    /// too small or an unknown flag; `ERR_CHECKSUM` if the content was altered.
    pub fn poll_frame(&mut self) -> Result<Option<Frame>, DeltaError> {
        let Some(head) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*head) as usize;
        let whole = 4 + length;
        if whole > Frame::MAX_BYTES {
            return Err(DeltaError::Limit {
                what: "frame",
                size: whole as u64,
                limit: Frame::MAX_BYTES as u64,
            });
        }
        if whole < Frame::HEAD + Frame::TAIL {
            return Err(malformed(format!("its length is {length}")));
        }
        if self.buffer.len() < whole {
            // No more than that: a length costs its sender nothing.
            self.buffer.reserve((whole - self.buffer.len()).min(self.buffer.len().max(Self::FIRST_BYTES)));
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(whole).freeze();
        let checksum = frame.split_off(whole - Frame::TAIL).get_u64_le();
        if xxh3_64(&frame) != checksum {
            return Err(DeltaError::Checksum { bytes: whole });
        }
        let (kind, flags) = (frame[4], frame[5]);
        if flags > 1 {
            return Err(malformed(format!("unknown flags {flags:#04x}")));
        }
        frame.advance(Frame::HEAD);
        Ok(Some(Frame { kind, more: flags == 1, body: frame }))
    }

    /// The bytes that have arrived and were not taken as a frame.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Whether a frame has arrived only in part.
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        !self.buffer.is_empty()
    }
}

const fn malformed(reason: String) -> DeltaError {
    DeltaError::Malformed { what: "frame", reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(body: &[u8]) -> Vec<Bytes> {
        Frame::seal(2, [&[0; Frame::HEAD], body].concat())
    }

    #[test]
    fn bytes_may_arrive_one_by_one() {
        let mut decoder = FrameDecoder::default();
        let mut frames = Vec::new();
        for byte in [sealed(b"one"), sealed(b"")].concat().concat() {
            decoder.receive(&[byte]);
            frames.extend(decoder.poll_frame().unwrap());
        }
        let bodies: Vec<&[u8]> = frames.iter().map(|frame| frame.body.as_ref()).collect();
        assert_eq!(bodies, [b"one".as_slice(), b""]);
        assert!(!decoder.is_mid_frame());
    }

    #[test]
    fn a_long_body_spans_frames() {
        let body = vec![7; 2 * Frame::MAX_BYTES + 5];
        let frames = sealed(&body);
        assert!(frames.len() == 3 && frames.iter().all(|frame| frame.len() <= Frame::MAX_BYTES));
        let mut decoder = FrameDecoder::default();
        let mut joined = Vec::new();
        for (index, bytes) in frames.iter().enumerate() {
            decoder.receive(bytes);
            let frame = decoder.poll_frame().unwrap().unwrap();
            assert_eq!(frame.more, index < 2);
            joined.extend_from_slice(&frame.body);
        }
        assert_eq!(joined, body);
    }

    #[test]
    fn an_oversized_length_is_refused_before_its_bytes_arrive() {
        let mut decoder = FrameDecoder::default();
        decoder.receive(&u32::MAX.to_le_bytes());
        assert_eq!(decoder.poll_frame().unwrap_err().code(), "ERR_LIMIT");
    }
}
