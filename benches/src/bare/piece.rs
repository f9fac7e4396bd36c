//! `u32 length`, then for each row `u32 id length | u32 vector length | id | vector`.

use bytes::{Buf, Bytes, BytesMut};

/// A piece is full at this many bytes.
pub(super) const SIZE: usize = 256 * 1024;

/// What ends a run: a piece without rows.
pub(super) const END: &[u8] = &[0; HEAD];

pub(super) fn buffer() -> Vec<u8> {
    let mut buffer = Vec::with_capacity(SIZE + 4_096);
    buffer.resize(HEAD, 0);
    buffer
}

pub(super) fn encode(buffer: &mut Vec<u8>, id: &str, vector: &[u8]) {
    for length in [id.len(), vector.len()] {
        buffer.extend_from_slice(&(length as u32).to_le_bytes());
    }
    buffer.extend_from_slice(id.as_bytes());
    buffer.extend_from_slice(vector);
}

pub(super) fn seal(mut buffer: Vec<u8>) -> Bytes {
    let length = (buffer.len() - HEAD) as u32;
    buffer[..HEAD].copy_from_slice(&length.to_le_bytes());
    buffer.into()
}

/// The next whole piece of what has arrived.
pub(super) fn take(arrived: &mut BytesMut) -> Option<Bytes> {
    let length = read_length(arrived.first_chunk()?);
    if arrived.len() < HEAD + length {
        arrived.reserve(HEAD + length - arrived.len());
        return None;
    }
    arrived.advance(HEAD);
    Some(arrived.split_to(length).freeze())
}

/// The rows of a piece. The pipeline trusts its other half: a short piece ends them early.
pub(super) fn rows(piece: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        let (id_length, after) = rest.split_first_chunk()?;
        let (vector_length, after) = after.split_first_chunk()?;
        let (id, after) = after.split_at_checked(read_length(id_length))?;
        let (vector, after) = after.split_at_checked(read_length(vector_length))?;
        rest = after;
        Some((std::str::from_utf8(id).ok()?, vector))
    })
}

const fn read_length(bytes: &[u8; HEAD]) -> usize {
    u32::from_le_bytes(*bytes) as usize
}

const HEAD: usize = 4;
