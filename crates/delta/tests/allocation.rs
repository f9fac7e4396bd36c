//! What a small hostile body makes a decoder allocate. A test program of its own, because its global allocator counts
//! everything in the process.
#![allow(clippy::unwrap_used, reason = "values drawn here are lawful by construction")]

#[allow(dead_code, reason = "shared with the other test program")]
#[path = "delta/support/mod.rs"]
mod support;

use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use support::draw::Draw;
use support::hostile::{LARGE, body_of, kind_of, mutate, seal};
use vectr_delta::{FrameDecoder, MessageDecoder, Uncompressed};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_small_hostile_body_allocates_little(seed: u64) {
        let mut draw = Draw::new(seed);
        let message = draw.message();
        let mut body = body_of(&message);
        if draw.coin() {
            mutate(&mut draw, &mut body);
        } else {
            // One claim of a huge array or string, at any place.
            let at = draw.index(body.len() + 1);
            drop(body.splice(at..at, LARGE[draw.index(LARGE.len())]));
        }
        let bytes = seal(kind_of(&message), &body);
        prop_assume!(bytes.len() < 16 << 10);
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let mut frames = FrameDecoder::default();
        frames.receive(&bytes);
        let frame = frames.poll_frame().unwrap().expect("the frame is whole");
        let decoded = MessageDecoder::default().receive(frame, &[&Uncompressed]);
        let reserved = ALLOCATOR.peak_usage().saturating_sub(before);
        drop(decoded);
        prop_assert!(reserved < 2 << 20, "{} bytes made the decoder take {reserved}", bytes.len());
    }
}
