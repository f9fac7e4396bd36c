use vectr_delta::Strategy;
use vectr_delta::changes::{
    Compression, Flat, decode, encode, increment_version, join_versions, merge, newest, pack,
    packed_checksum, relate_versions, resolve, resolve_operations, seal,
};

use crate::bounds::in_memory;
use crate::input::Input;

/// The arrays that JavaScript hands over, and every function that takes them.
///
/// What one function takes for valid, all do; results point into what they were made of.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mode = input.byte();
    let strategy = Strategy::ALL[usize::from(mode) % Strategy::ALL.len()];
    let flat = read(&mut input);
    let borrowed = flat.borrowed();
    let changes = flat.numbers.first().map_or(0, |count| *count as usize);
    in_memory(data.len(), MULTIPLE, || {
        if let Ok(verdict) = resolve(borrowed, strategy) {
            assert!(verdict.duplicate_dots.iter().all(|change| (*change as usize) < changes));
            check_groups(&verdict.groups, changes);
        }
        if let Ok(merged) = merge(borrowed) {
            assert!(encode(merged.borrowed(), Compression::None, None).is_ok() || !is_delta(&flat));
        }
        if let Ok(newest) = newest(&flat.numbers, &flat.text) {
            assert!(newest.iter().all(|change| (*change as usize) < changes));
        }
        let local = u32::from(mode >> 4);
        if let Ok(resolution) = resolve_operations(borrowed, local, strategy) {
            check_groups(&resolution.groups, changes);
        }
    });
    check_versions(&flat);
    check_bytes(&flat, if mode & 8 == 0 { Compression::Lz4 } else { Compression::Msgpack });
}

/// The winner of each vector, how many stand, and which.
fn check_groups(groups: &[u32], changes: usize) {
    let mut rest = groups;
    while let [winner, count, after @ ..] = rest {
        assert!((*winner as usize) < changes || *winner == u32::MAX, "no change {winner} of {changes}");
        let standing = after.get(..*count as usize).expect("the group is whole");
        assert!(standing.iter().all(|change| (*change as usize) < changes));
        rest = &after[*count as usize..];
    }
    assert!(rest.is_empty(), "half of a group");
}

/// Encoding, packing and sealing agree, and what they write decodes to what all of them write.
fn check_bytes(flat: &Flat, compression: Compression) {
    let packed = pack(flat.borrowed());
    let Ok(bytes) = encode(flat.borrowed(), compression, None) else {
        assert!(packed.is_err(), "it packs and does not encode");
        return;
    };
    let packed = packed.expect("what encodes packs");
    let decoded = decode(&bytes).expect("it was just encoded");
    assert_eq!(decoded.checksum, packed.checksum);
    assert_eq!(packed_checksum(&packed.columns, &decoded.vectors), packed.checksum);
    let plain = encode(decoded.borrowed(), Compression::None, Some(&packed.checksum)).expect("it is valid");
    let mut room = vec![0; HEADER + packed.columns.len() + decoded.vectors.len()];
    let place = (HEADER + packed.columns.len()) / 4 * 4;
    room[place..place + decoded.vectors.len()].copy_from_slice(&decoded.vectors);
    let stamp = decoded.numbers[5] as u64;
    let sealed = seal(&mut room, &packed.columns, stamp, Compression::None, &packed.checksum);
    assert_eq!(sealed, Ok(None));
    assert_eq!(room, plain);
}

fn check_versions(flat: &Flat) {
    let (text, numbers) = (flat.text.as_str(), flat.numbers.as_slice());
    let related = relate_versions(text, numbers);
    if let Ok(relation) = related {
        assert!(relation < 4);
        let joined = join_versions(text, numbers).expect("what can be related can be joined");
        assert!(joined.len() % 2 == 0 && joined.len() <= 2 * numbers.len());
    }
    let _ = increment_version(text, numbers);
}

/// Whether it could be a delta: a merge of other operands may have more than one delta holds.
fn is_delta(flat: &Flat) -> bool {
    encode(flat.borrowed(), Compression::None, None).is_ok()
}

/// `u8 count | numbers of two bytes | u16 length of the text | text | vectors`.
fn read(input: &mut Input<'_>) -> Flat {
    let count = usize::from(input.byte());
    let numbers = (0..count).map(|_| number(input.short())).collect();
    let length = usize::from(input.short());
    let text = String::from_utf8_lossy(input.take(length)).into_owned();
    Flat { numbers, text, vectors: input.0.to_vec() }
}

/// Small numbers as they are; from `0xff00` on those that no array of ours has.
fn number(short: u16) -> f64 {
    ODD.get(usize::from(short.wrapping_sub(FIRST_ODD))).copied().unwrap_or_else(|| f64::from(short))
}

/// Appends the arrays as an input has them: numbers above two bytes only as far as they are among the odd ones.
pub(crate) fn write(flat: &Flat, input: &mut Vec<u8>) {
    input.push(flat.numbers.len().min(255) as u8);
    for given in flat.numbers.iter().take(255) {
        let odd = (FIRST_ODD..).zip(ODD).find(|(_, odd)| odd == given).map(|(short, _)| short);
        input.extend_from_slice(&odd.unwrap_or(*given as u16).to_le_bytes());
    }
    input.extend_from_slice(&(flat.text.len() as u16).to_le_bytes());
    input.extend_from_slice(flat.text.as_bytes());
    input.extend_from_slice(&flat.vectors);
}

const FIRST_ODD: u16 = 0xff00;
const ODD: [f64; 10] = [
    -1.0,
    0.5,
    1e9,
    9_007_199_254_740_991.0,
    9_007_199_254_740_992.0,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    -0.0,
    4_294_967_296.0,
];
const HEADER: usize = 56;
/// A number is read from two bytes here and takes eight; an id of one byte becomes a change.
const MULTIPLE: usize = 512;
