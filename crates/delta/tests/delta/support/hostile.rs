//! Malformed bodies in frames with a valid checksum.

use vectr_delta::{Frame, Message, Uncompressed};

use crate::support::draw::Draw;

/// Flips, cuts and repeats bytes, and inserts the markers of large MessagePack values.
pub(crate) fn mutate(draw: &mut Draw, body: &mut Vec<u8>) {
    for _ in 0..=draw.below(3) {
        if body.is_empty() {
            return;
        }
        let at = draw.index(body.len());
        match draw.below(6) {
            0 => body.truncate(at),
            1 => body[at] = draw.number() as u8,
            2 => body.extend_from_within(at..),
            3 => drop(body.remove(at)),
            4 => drop(body.splice(at..at, LARGE[draw.index(LARGE.len())])),
            _ => body[at] ^= 1 << draw.below(8),
        }
    }
}

pub(crate) fn body_of(message: &Message) -> Vec<u8> {
    let frame = message.encode(&Uncompressed).unwrap().concat();
    frame[Frame::HEAD..frame.len() - CHECKSUM].to_vec()
}

pub(crate) fn kind_of(message: &Message) -> u8 {
    message.encode(&Uncompressed).unwrap()[0][4]
}

/// One frame with this body and a valid checksum.
pub(crate) fn seal(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (2 + body.len() + CHECKSUM) as u32;
    let mut frame = [&length.to_le_bytes()[..], &[kind, 0], body].concat();
    frame.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(&frame).to_le_bytes());
    frame
}

pub(crate) const CHECKSUM: usize = 8;

/// The headers of `MessagePack` arrays, maps, byte strings and strings that claim to be huge.
pub(crate) const LARGE: [[u8; 5]; 6] = [
    [0xdd, 0xff, 0xff, 0xff, 0xff],
    [0xdf, 0xff, 0xff, 0xff, 0xff],
    [0xc6, 0xff, 0xff, 0xff, 0xff],
    [0xdb, 0x7f, 0xff, 0xff, 0xff],
    [0xdd, 0x00, 0x0f, 0xff, 0xff],
    [0xdd, 0x00, 0x00, 0xff, 0xff],
];
