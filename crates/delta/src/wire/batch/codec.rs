use bytes::Bytes;

use super::columns::Columns;
use super::reader::read_batch;
use super::{Batch, malformed};
use crate::{Codec, DeltaError, Payload, Sibling};

/// Appends `u8 codec | u32 raw length | packed`, where the unpacked bytes are
/// `u32 columns length | columns (MessagePack) | vectors (little-endian f32)`.
///
/// # Errors
/// `ERR_LIMIT` if the batch has more than 64 MiB or 65,536 rows.
pub(in crate::wire) fn encode(
    batch: &Batch,
    codec: &dyn Codec,
    buffer: &mut Vec<u8>,
) -> Result<(), DeltaError> {
    limit("rows of a batch", batch.rows.len(), Batch::MAX_ROWS)?;
    let start = buffer.len();
    buffer.resize(start + PREFIX, 0);
    let columns = Columns::of(batch);
    columns.write(buffer)?;
    for payload in payloads(batch) {
        buffer.extend_from_slice(payload.vector());
    }
    let raw = buffer.len() - start - PREFIX + 4;
    limit("batch", raw, Batch::MAX_BYTES)?;
    let columns_length = raw - 4 - payloads(batch).map(|payload| payload.vector().len()).sum::<usize>();
    buffer[start + 5..start + PREFIX].copy_from_slice(&(columns_length as u32).to_le_bytes());
    let packed = codec.pack(&buffer[start + 5..]);
    buffer[start] = packed.as_ref().map_or(0, |_| codec.id());
    buffer[start + 1..start + 5].copy_from_slice(&(raw as u32).to_le_bytes());
    if let Some(packed) = packed {
        buffer.truncate(start + 5);
        buffer.extend_from_slice(&packed);
    }
    Ok(())
}

/// Decodes what [`encode`] wrote. Vectors stay slices of `bytes` if these were not compressed.
///
/// Does not check that components are finite and metadata is JSON: a bad row must not block the others.
///
/// # Errors
/// `ERR_PROTOCOL` or `ERR_LIMIT`; never panics or allocates more than the bytes justify.
pub(in crate::wire) fn decode(codecs: &[&dyn Codec], mut bytes: Bytes) -> Result<Batch, DeltaError> {
    let raw = unpacked_bytes(&bytes).ok_or_else(|| malformed("it ends early"))?;
    limit("batch", raw, Batch::MAX_BYTES)?;
    let codec = codecs.iter().find(|codec| codec.id() == bytes[0]);
    let codec = codec.ok_or_else(|| malformed(format!("unknown codec {}", bytes[0])))?;
    let body = codec.unpack(bytes.split_off(5), raw)?;
    let head = body.first_chunk::<4>().ok_or_else(|| malformed("it ends early"))?;
    let vectors_at = 4 + u32::from_le_bytes(*head) as usize;
    if vectors_at > body.len() {
        return Err(malformed("its columns end early"));
    }
    let columns: Columns<'_> = rmp_serde::from_slice(&body[4..vectors_at]).map_err(malformed)?;
    read_batch(&columns, body.slice(vectors_at..))
}

/// How many bytes an encoded batch says that it unpacks to; `None` if it ends before that.
pub(in crate::wire) fn unpacked_bytes(bytes: &[u8]) -> Option<usize> {
    let [_codec, raw @ ..] = bytes.first_chunk::<5>()?;
    Some(u32::from_le_bytes(*raw) as usize)
}

fn payloads(batch: &Batch) -> impl Iterator<Item = &Payload> {
    batch.rows.iter().flat_map(|entry| entry.row.siblings()).filter_map(Sibling::payload)
}

fn limit(what: &'static str, size: usize, limit: usize) -> Result<(), DeltaError> {
    if size > limit {
        return Err(DeltaError::Limit { what, size: size as u64, limit: limit as u64 });
    }
    Ok(())
}

/// `u8 codec | u32 raw length | u32 columns length`.
const PREFIX: usize = 9;
