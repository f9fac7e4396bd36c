use bytes::Bytes;
use proptest::prelude::*;
use vectr_delta::{
    Batch, Codec, DeltaError, Frame, FrameDecoder, Lz4Columns, Message, MessageDecoder, Uncompressed,
};

use crate::support::draw::Draw;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn encode_then_decode_is_the_identity(seed: u64) {
        let message = Draw::new(seed).message();
        prop_assert_eq!(decode(&encode(&message)).unwrap(), vec![message]);
    }

    #[test]
    fn a_packed_batch_comes_back_and_is_never_longer(seed: u64) {
        let mut draw = Draw::new(seed);
        let message = Message::Batch(draw.batch(24, 8));
        let packed = message.encode(&Lz4Columns).unwrap().concat();
        prop_assert!(packed.len() <= encode(&message).len());
        prop_assert_eq!(decode(&packed).unwrap(), vec![message]);
    }

    #[test]
    fn several_messages_arrive_in_pieces_of_any_size(seed: u64) {
        let mut draw = Draw::new(seed);
        let messages = [draw.message(), draw.message(), draw.message()];
        let stream = messages.iter().flat_map(encode).collect::<Vec<u8>>();
        let (mut received, mut frames, mut decoder) = (Vec::new(), FrameDecoder::default(), MessageDecoder::default());
        let mut rest = stream.as_slice();
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(draw.index(rest.len()) + 1);
            frames.receive(piece);
            while let Some(frame) = frames.poll_frame().unwrap() {
                received.extend(decoder.receive(frame, CODECS).unwrap());
            }
            rest = later;
        }
        prop_assert_eq!(received, messages);
        prop_assert!(!frames.is_mid_frame());
    }

    #[test]
    fn a_flipped_bit_anywhere_in_a_frame_is_refused_whole(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut bytes = encode(&draw.message());
        let at = draw.index(bytes.len());
        bytes[at] ^= 1 << draw.below(8);
        // An altered length may wait for more bytes, but never yields the message.
        bytes.extend_from_slice(&encode(&Message::Done));
        bytes.resize(bytes.len() + 64, 0);
        match decode(&bytes) {
            Ok(received) => prop_assert_eq!(received, vec![]),
            Err(error) => prop_assert!(["ERR_CHECKSUM", "ERR_LIMIT", "ERR_PROTOCOL"].contains(&error.code())),
        }
    }

    #[test]
    fn a_truncated_frame_is_not_a_message(seed: u64) {
        let mut draw = Draw::new(seed);
        let bytes = encode(&draw.message());
        let kept = draw.index(bytes.len());
        prop_assert_eq!(decode(&bytes[..kept]).unwrap(), vec![]);
    }

    #[test]
    fn random_bytes_are_not_a_message(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut bytes: Vec<u8> = (0..draw.below(400)).map(|_| draw.number() as u8).collect();
        if draw.coin() && bytes.len() >= 4 {
            let length = (bytes.len() - 4) as u32;
            bytes[..4].copy_from_slice(&length.to_le_bytes());
        }
        if let Ok(received) = decode(&bytes) {
            prop_assert_eq!(received, vec![]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_batch_of_several_frames_is_one_batch(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut batch = draw.batch(24, 65_536);
        batch.rows.extend(draw.batch(24, 65_536).rows);
        let message = Message::Batch(batch);
        let frames = message.encode(&Uncompressed).unwrap();
        prop_assert!(frames.iter().all(|frame| frame.len() <= Frame::MAX_BYTES));
        prop_assert_eq!(&decode(&frames.concat()).unwrap(), &[message]);
        if frames.len() < 2 {
            return Ok(());
        }
        // With a frame missing or repeated it is refused.
        let lost = draw.index(frames.len());
        let mut fewer: Vec<Bytes> = frames.clone();
        fewer.remove(lost);
        prop_assert!(decode(&fewer.concat()).map_or(true, |received| received.is_empty()));
        let mut more = frames;
        more.insert(lost, more[lost].clone());
        prop_assert!(decode(&more.concat()).map_or(true, |received| received.is_empty()));
    }
}

#[test]
fn rows_above_the_limit_are_not_encoded() {
    let mut batch = Batch::default();
    let row = Draw::new(1).any_row(1);
    let id = vectr_delta::VectorId::new("v").unwrap();
    batch.rows = vec![vectr_delta::VectorRow { id, row }; Batch::MAX_ROWS + 1];
    assert_eq!(Message::Batch(batch).encode(&Uncompressed).unwrap_err().code(), "ERR_LIMIT");
}

pub(crate) fn encode(message: &Message) -> Vec<u8> {
    message.encode(&Uncompressed).unwrap().concat()
}

const CODECS: &[&dyn Codec] = &[&Uncompressed, &Lz4Columns];

/// All messages in the bytes, or the first error.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Message>, DeltaError> {
    let (mut frames, mut messages, mut received) =
        (FrameDecoder::default(), MessageDecoder::default(), Vec::new());
    frames.receive(bytes);
    while let Some(frame) = frames.poll_frame()? {
        received.extend(messages.receive(frame, CODECS)?);
    }
    Ok(received)
}
