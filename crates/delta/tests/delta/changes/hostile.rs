//! Bytes forged by an attacker, with valid checksums.

use proptest::prelude::*;
use vectr_delta::Strategy as Shown;
use vectr_delta::changes::{Compression, decode, encode, merge, newest, resolve, resolve_deltas};
use xxhash_rust::xxh3::Xxh3Default;

use super::bytes::WRITTEN;
use super::model::{Change, Delta, delta};
use crate::support::draw::Draw;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn random_bytes_are_refused_with_a_code(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut bytes: Vec<u8> = (0..draw.below(300)).map(|_| draw.number() as u8).collect();
        if draw.coin() {
            let head = b"VDLT\x01".len().min(bytes.len());
            bytes[..head].copy_from_slice(&b"VDLT\x01"[..head]);
        }
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn altered_bytes_with_valid_checksums_never_panic(seed: u64) {
        let mut draw = Draw::new(seed);
        let delta = delta(&mut draw, 6);
        let mut bytes = encode(delta.flat().borrowed(), WRITTEN[draw.index(WRITTEN.len())], None).unwrap();
        for _ in 0..=draw.below(3) {
            let at = draw.index(bytes.len());
            match draw.below(4) {
                0 => bytes[at] = draw.number() as u8,
                1 => bytes[at] ^= 1 << draw.below(8),
                2 => drop(bytes.splice(at..at, [0xdd, 0, 0, 0xff, 0xff])),
                _ => drop(bytes.remove(at)),
            }
        }
        seal(&mut bytes);
        if let Ok(decoded) = decode(&bytes) {
            // Whatever decodes is valid: it encodes to the same bytes except for the compression, and can be resolved.
            let again = encode(decoded.borrowed(), Compression::None, Some(&decoded.checksum)).unwrap();
            let read_again = decode(&again).unwrap();
            // A timestamp of 0 is replaced by that of the newest change.
            prop_assert_eq!(&read_again.numbers[..5], &decoded.numbers[..5]);
            prop_assert_eq!(&read_again.numbers[6..], &decoded.numbers[6..]);
            prop_assert_eq!(&read_again.text, &decoded.text);
            let _whatever = resolve_deltas(&bytes, &again, Shown::Merge);
        }
    }

    #[test]
    fn arbitrary_numbers_never_panic(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut flat = delta(&mut draw, 6).flat();
        for _ in 0..=draw.below(3) {
            let at = draw.index(flat.numbers.len());
            let odd = [-1.0, 0.0, 1.0, 2.0, 3.0, 1e9, 0.5, f64::NAN, f64::NEG_INFINITY, 9_007_199_254_740_991.0];
            flat.numbers[at] = odd[draw.index(odd.len())];
        }
        let _whatever = (
            encode(flat.borrowed(), Compression::Lz4, None),
            resolve(flat.borrowed(), Shown::Merge),
            merge(flat.borrowed()),
            newest(&flat.numbers, &flat.text),
        );
    }
}

/// Updates both checksums, as far as the header still locates the sections.
fn seal(bytes: &mut [u8]) {
    if bytes.len() < 56 {
        return;
    }
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let columns = number(34).min(bytes.len() - 56);
    let is_packed = [bytes[46], bytes[47]].map(|mode| mode != 0);
    if is_packed == [false; 2] {
        let mut content = Xxh3Default::new();
        content.update(&(columns as u64).to_le_bytes());
        content.update(&bytes[56..]);
        let checksum = content.digest128().to_le_bytes();
        bytes[14..30].copy_from_slice(&checksum);
        bytes[30..34].copy_from_slice(&(columns as u32).to_le_bytes());
        let vectors = (bytes.len() - 56 - columns) as u32;
        bytes[38..42].copy_from_slice(&vectors.to_le_bytes());
        bytes[42..46].copy_from_slice(&vectors.to_le_bytes());
        bytes[34..38].copy_from_slice(&(columns as u32).to_le_bytes());
    }
    let mut head = Xxh3Default::new();
    head.update(&bytes[..48]);
    let sections = bytes[56..].split_at(columns);
    [sections.0, sections.1]
        .iter()
        .zip(is_packed)
        .filter(|(_, packed)| *packed)
        .for_each(|(s, _)| head.update(s));
    let hash = (head.digest128() as u64).to_le_bytes();
    bytes[48..56].copy_from_slice(&hash);
}

/// As many versions of one vector as a delta can hold. A quadratic algorithm would not finish.
#[test]
fn resolving_the_most_versions_of_a_vector_takes_linear_time() {
    let version = |number: u64, site: String, seq: u64| Change {
        id: number,
        operation: 1,
        vector_id: "v".into(),
        vector: vec![number as f32],
        metadata: None,
        timestamp: number % 7,
        source: "s".into(),
        history: vec![("s".into(), number)],
        dot: Some((site, seq)),
    };
    let most = 65_536;
    let one_site = Delta::of((1..=most).map(|number| version(number, "other".into(), number)).collect());
    let one_dot = Delta::of((1..=most).map(|number| version(number, "other".into(), 1)).collect());
    for delta in [one_site, one_dot] {
        let flat = delta.flat();
        let verdict = resolve(flat.borrowed(), Shown::Merge).unwrap();
        assert_eq!(verdict.groups.len(), 2 + verdict.groups[1] as usize);
        assert!(newest(&flat.numbers, &flat.text).unwrap().len() as u64 == most);
        merge(flat.borrowed()).unwrap();
    }
}

#[test]
fn a_small_input_cannot_claim_a_large_size() {
    let delta = delta(&mut Draw::new(5), 9);
    let mut bytes = encode(delta.flat().borrowed(), Compression::Lz4, None).unwrap();
    bytes[30..34].copy_from_slice(&(64_u32 << 20).to_le_bytes());
    bytes[46] = 1;
    seal(&mut bytes);
    assert_eq!(decode(&bytes).unwrap_err().code(), "ERR_LIMIT");
    bytes[30..34].copy_from_slice(&(60_u32 << 20).to_le_bytes());
    seal(&mut bytes);
    assert_eq!(decode(&bytes).unwrap_err().code(), "ERR_PROTOCOL");
}
