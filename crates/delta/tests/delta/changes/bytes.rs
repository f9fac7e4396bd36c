//! The binary format: encoding and decoding a delta gives the same changes.

use proptest::prelude::*;
use vectr_delta::changes::{Compression, Flat, checksum, decode, encode, pack, packed_checksum, seal};

use super::model::{Delta, delta};
use crate::support::draw::Draw;

/// The compressions that this build writes.
pub(crate) const WRITTEN: &[Compression] = if cfg!(feature = "zstd") {
    &[Compression::None, Compression::Msgpack, Compression::Lz4, Compression::Zstd]
} else {
    &[Compression::None, Compression::Msgpack, Compression::Lz4]
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn decode_inverts_encode_under_every_compression(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut delta = delta(&mut draw, 12);
        if draw.below(8) == 0 {
            // Long and repetitive enough to be compressed.
            delta.changes = delta.changes.iter().cycle().take(delta.changes.len() * 40).cloned().collect();
        }
        let flat = delta.flat();
        let sum = checksum(flat.borrowed()).unwrap();
        for compression in WRITTEN {
            let bytes = encode(flat.borrowed(), *compression, Some(&sum)).unwrap();
            let decoded = decode(&bytes).unwrap();
            prop_assert_eq!(decoded.compression, *compression);
            prop_assert_eq!(&decoded.checksum, &sum);
            let newest = delta.changes.iter().map(|change| change.timestamp).max().unwrap_or_default();
            prop_assert_eq!(decoded.numbers[5], newest as f64);
            prop_assert_eq!(Delta::from_flat(decoded.borrowed()), delta.clone().arranged());
            prop_assert_eq!(encode(decoded.borrowed(), *compression, None).unwrap(), bytes);
        }
    }

    #[test]
    fn a_flipped_bit_is_refused_wherever_it_is(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut delta = delta(&mut draw, 6);
        delta.changes = delta.changes.iter().cycle().take(delta.changes.len() * 20).cloned().collect();
        let compression = WRITTEN[draw.index(WRITTEN.len())];
        let mut bytes = encode(delta.flat().borrowed(), compression, None).unwrap();
        let at = if draw.coin() { draw.index(bytes.len()) } else { draw.index(56) };
        bytes[at] ^= 1 << draw.below(8);
        let code = decode(&bytes).unwrap_err().code();
        prop_assert!(["ERR_CHECKSUM", "ERR_PROTOCOL"].contains(&code), "{} at {}", code, at);
    }

    #[test]
    fn seal_writes_the_same_bytes_as_encode(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut delta = delta(&mut draw, 12);
        delta.changes = delta.changes.iter().cycle().take(delta.changes.len() * 9).cloned().collect();
        let flat = delta.flat();
        let packed = pack(flat.borrowed()).unwrap();
        prop_assert_eq!(packed_checksum(&packed.columns, &flat.vectors), packed.checksum.clone());
        for compression in WRITTEN {
            let bytes = encode(flat.borrowed(), *compression, None).unwrap();
            let stamp = decode(&bytes).unwrap().numbers[5] as u64;
            let mut room = room(&packed.columns, &flat.vectors);
            let returned = seal(&mut room, &packed.columns, stamp, *compression, &packed.checksum).unwrap();
            prop_assert_eq!(returned.unwrap_or(room), bytes);
        }
    }

    #[test]
    fn the_order_of_keys_and_entries_does_not_change_the_bytes(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut delta = delta(&mut draw, 8);
        let before = encode(delta.flat().borrowed(), Compression::Lz4, None).unwrap();
        for change in &mut delta.changes {
            draw.shuffle(&mut change.history);
        }
        let unused = ["unused", "laptop", "z@ffffffffffffffff"].map(str::to_owned).to_vec();
        let after = encode(delta.flat_with(unused).borrowed(), Compression::Lz4, None).unwrap();
        prop_assert_eq!(before, after);
    }

    #[test]
    fn the_checksum_covers_every_field(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut delta = delta(&mut draw, 6);
        if delta.changes.is_empty() {
            return Ok(());
        }
        let before = checksum(delta.flat().borrowed()).unwrap();
        let at = draw.index(delta.changes.len());
        let field = draw.below(13);
        alter(&mut draw, &mut delta, at, field);
        prop_assert_ne!(checksum(delta.flat().borrowed()).unwrap(), before, "field {}", field);
    }
}

fn alter(draw: &mut Draw, delta: &mut Delta, at: usize, field: u64) {
    let duplicate = delta.changes[at].clone();
    let change = &mut delta.changes[at];
    match field {
        0 => change.id += 1,
        1 if change.is_live() => change.operation = 3 - change.operation,
        2 => change.vector_id.push('x'),
        3 if change.is_live() => {
            let component = draw.index(change.vector.len());
            change.vector[component] = f32::from_bits(change.vector[component].to_bits() ^ 1);
        }
        4 => change.metadata = Some(change.metadata.as_ref().map_or("{}".into(), |text| format!("{text} "))),
        5 => change.timestamp += 1,
        6 => change.source.push('x'),
        7 => change.history.push(("new".into(), 1)),
        8 if !change.history.is_empty() => change.history[0].1 += 1,
        9 => change.dot = if change.dot.is_some() { None } else { Some(("laptop".into(), 1)) },
        10 => delta.shard.push('x'),
        11 => delta.from += 1,
        12 => delta.changes.push(duplicate),
        _ => delta.to += 1,
    }
}

/// A buffer as `seal` needs it, filled with other bytes where `seal` has to write.
fn room(columns: &[u8], vectors: &[u8]) -> Vec<u8> {
    let start = HEAD + columns.len();
    let mut room = vec![0xa5; start + vectors.len()];
    room[start / 4 * 4..][..vectors.len()].copy_from_slice(vectors);
    room
}

const HEAD: usize = 56;

#[test]
fn seal_refuses_other_vectors_and_a_buffer_that_is_too_small() {
    let flat = delta(&mut Draw::new(7), 9).flat();
    let packed = pack(flat.borrowed()).unwrap();
    let mut other = flat.vectors.clone();
    other[5] ^= 1;
    for compression in WRITTEN {
        let sealed = |room: &mut [u8]| seal(room, &packed.columns, 1, *compression, &packed.checksum);
        assert_eq!(sealed(&mut room(&packed.columns, &other)).unwrap_err().code(), "ERR_CHECKSUM");
        assert_eq!(sealed(&mut room(&packed.columns, &other[4..])).unwrap_err().code(), "ERR_CHECKSUM");
        for length in [0, HEAD, HEAD + packed.columns.len() - 1] {
            assert_eq!(sealed(&mut vec![0; length]).unwrap_err().code(), "ERR_ARGUMENT");
        }
    }
}

#[test]
fn a_wrong_checksum_is_refused_and_the_timestamp_is_not_covered() {
    let delta = delta(&mut Draw::new(7), 9);
    let mut flat = delta.flat();
    let sum = checksum(flat.borrowed()).unwrap();
    flat.numbers[5] = 77.0;
    assert_eq!(checksum(flat.borrowed()).unwrap(), sum);
    let bytes = encode(flat.borrowed(), Compression::None, Some(&sum)).unwrap();
    assert_eq!(decode(&bytes).unwrap().numbers[5], 77.0);
    let refused = encode(flat.borrowed(), Compression::None, Some(&sum.to_uppercase())).unwrap_err();
    assert_eq!(refused.code(), "ERR_CHECKSUM");
}

#[test]
fn the_columns_are_ordinary_messagepack() {
    type Columns = (u64, u64, String, u64, [Vec<u64>; 11]);
    let delta = delta(&mut Draw::new(11), 9);
    let bytes = encode(delta.flat().borrowed(), Compression::Msgpack, None).unwrap();
    let length = u32::from_le_bytes(bytes[30..34].try_into().unwrap()) as usize;
    // An array of fifteen elements, read here as four elements and an array of eleven.
    let columns = [&[0x95], &bytes[57..56 + length]].concat();
    let lists = columns.len() - list_bytes(&columns);
    let columns = [&columns[..lists], &[0x9b], &columns[lists..]].concat();
    let (from, to, text, keys, lists): Columns = rmp_serde::from_slice(&columns).unwrap();
    assert_eq!((from, to), (delta.from, delta.to));
    assert_eq!(lists[0], delta.changes.iter().map(|change| change.id).collect::<Vec<_>>());
    assert!(text.split('\n').count() > delta.changes.len() + keys as usize);
}

/// The length of the eleven arrays at the end.
fn list_bytes(columns: &[u8]) -> usize {
    for start in 0..columns.len() {
        let mut reader = rmp_serde::Deserializer::new(&columns[start..]);
        let lists = (0..11).map(|_| serde::Deserialize::deserialize(&mut reader));
        if lists.collect::<Result<Vec<Vec<u64>>, _>>().is_ok() && reader.into_inner().is_empty() {
            return columns.len() - start;
        }
    }
    unreachable!("the columns end with eleven lists")
}

#[test]
fn a_delta_without_changes_is_encoded() {
    let delta = Delta::of(Vec::new());
    let bytes = encode(delta.flat().borrowed(), Compression::Lz4, None).unwrap();
    assert_eq!(Delta::from_flat(decode(&bytes).unwrap().borrowed()), delta);
}

#[test]
fn invalid_changes_are_refused() {
    let lawful = delta(&mut Draw::new(3), 9).flat();
    let n = lawful.numbers[0] as usize;
    let refuse = |alter: &dyn Fn(&mut Flat)| {
        let mut flat = lawful.clone();
        alter(&mut flat);
        encode(flat.borrowed(), Compression::None, None).unwrap_err().code()
    };
    for wrong in [0.5, -1.0, f64::NAN, f64::INFINITY, 9_007_199_254_740_992.0] {
        assert_eq!(refuse(&|flat| flat.numbers[6] = wrong), "ERR_ARGUMENT", "{wrong}");
    }
    assert_eq!(refuse(&|flat| flat.numbers[0] = 1e6), "ERR_LIMIT");
    assert_eq!(refuse(&|flat| flat.numbers.truncate(n)), "ERR_ARGUMENT");
    assert_eq!(refuse(&|flat| flat.numbers.truncate(3)), "ERR_ARGUMENT");
    assert_eq!(refuse(&|flat| flat.numbers[6 + n] = 4.0), "ERR_ARGUMENT");
    assert_eq!(refuse(&|flat| flat.numbers[6 + 3 * n] = 99.0), "ERR_ARGUMENT");
    assert_eq!(refuse(&|flat| flat.numbers[6 + 6 * n] += 1.0), "ERR_ARGUMENT");
    assert_eq!(refuse(&|flat| flat.numbers[6 + 7 * n] += 1e5), "ERR_DIMENSIONS");
    assert_eq!(refuse(&|flat| flat.numbers[6 + 8 * n] = 2.0), "ERR_ARGUMENT");
    assert_eq!(refuse(&|flat| flat.text.push_str("\nmore")), "ERR_ARGUMENT");
    assert_eq!(refuse(&|flat| flat.text.insert(0, '\u{7}')), "ERR_ARGUMENT");
    assert_eq!(refuse(&|flat| flat.text.insert_str(0, &"x".repeat(300))), "ERR_ARGUMENT");
    assert_eq!(refuse(&|flat| flat.vectors.truncate(7)), "ERR_ARGUMENT");
    assert_eq!(refuse(&|flat| flat.vectors.clear()), "ERR_ARGUMENT");
    assert_eq!(refuse(&|flat| flat.vectors[..4].copy_from_slice(&f32::NAN.to_le_bytes())), "ERR_VECTOR");
}
