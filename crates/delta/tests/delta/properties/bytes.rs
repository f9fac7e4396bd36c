//! Bodies forged by a hostile peer, with a valid checksum.

use super::wire::{decode, encode};
use crate::support::draw::Draw;
use crate::support::hostile::{CHECKSUM, body_of, kind_of, mutate, seal};
use proptest::prelude::*;
use vectr_delta::{Frame, Lz4Columns, Message};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn an_altered_body_with_a_valid_checksum_never_panics(seed: u64) {
        let mut draw = Draw::new(seed);
        let message = draw.message();
        let mut body = body_of(&message);
        mutate(&mut draw, &mut body);
        if let Ok(received) = decode(&seal(kind_of(&message), &body)) {
            // Whatever decodes is valid: it can be encoded again, and decodes to the same.
            for message in received {
                let _lawful = encode(&message);
            }
        }
    }

    #[test]
    fn a_changed_packed_batch_with_a_valid_checksum_never_panics(seed: u64) {
        let mut draw = Draw::new(seed);
        let message = Message::Batch(draw.batch(24, 8));
        let packed = message.encode(&Lz4Columns).unwrap().concat();
        let mut body = packed[Frame::HEAD..packed.len() - CHECKSUM].to_vec();
        mutate(&mut draw, &mut body);
        if let Ok(received) = decode(&seal(kind_of(&message), &body)) {
            for message in received {
                let _lawful = encode(&message);
            }
        }
    }

    #[test]
    fn a_random_body_with_a_valid_checksum_never_panics(seed: u64) {
        let mut draw = Draw::new(seed);
        let body: Vec<u8> = (0..draw.below(200)).map(|_| draw.number() as u8).collect();
        let _whatever = decode(&seal(draw.below(10) as u8, &body));
    }
}
