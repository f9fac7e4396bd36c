use bytes::Bytes;
use vectr_delta::{Codec, Frame, Lz4Columns, MessageDecoder};

use super::message::{CODECS, MULTIPLE, check};
use crate::bounds::in_memory;
use crate::input::Input;

/// Rows of a peer: the columns of a batch and its vectors, raw, in a sound envelope, or packed.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let body = match input.byte() % 3 {
        0 => input.0.to_vec(),
        mode => {
            let length = usize::from(input.short());
            let columns = input.take(length);
            envelope(columns, input.0, mode == 2)
        }
    };
    let frame = Frame { kind: BATCH, more: false, body: Bytes::from(body) };
    let decoded = in_memory(data.len(), MULTIPLE, || MessageDecoder::default().receive(frame, CODECS));
    if let Ok(Some(message)) = decoded {
        check(&message);
    }
}

/// `u8 codec | u32 length | u32 length of the columns | columns | vectors`, or what the codec makes of it.
fn envelope(columns: &[u8], vectors: &[u8], packed: bool) -> Vec<u8> {
    let raw = [&(columns.len() as u32).to_le_bytes(), columns, vectors].concat();
    let length = (raw.len() as u32).to_le_bytes();
    match packed.then(|| Lz4Columns.pack(&raw)).flatten() {
        Some(packed) => [&[1][..], &length, &packed].concat(),
        None => [&[0][..], &length, &raw].concat(),
    }
}

const BATCH: u8 = 2;
