use vectr_delta::changes::{
    Compression, Decoded, DeltaRows, StoredChange, decode, decode_rows, encode, encode_rows, merge, newest,
    resolve, resolve_deltas,
};
use vectr_delta::{Strategy, Timestamp};
use xxhash_rust::xxh3::Xxh3Default;

use crate::bounds::in_memory;
use crate::input::Input;

/// The bytes of a delta, raw or with sound checksums.
///
/// What decodes encodes to the same content, resolves under every strategy with itself, and what comes of that decodes.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mode = input.byte();
    let mut bytes = input.0.to_vec();
    if mode & 1 == 1 {
        seal(&mut bytes);
    }
    let multiple = match bytes.get(COMPRESSION) {
        // Its claim is believed, up to the limit of a delta.
        Some(3) => 3 * LIMIT / bytes.len(),
        Some(2) => PACKED,
        _ => PLAIN,
    };
    let Ok(decoded) = in_memory(bytes.len(), multiple, || decode(&bytes)) else {
        assert!(decode_rows(&bytes).is_err(), "a delta of a database is a delta");
        return;
    };
    let again = encode(decoded.borrowed(), Compression::None, Some(&decoded.checksum));
    let again = again.expect("what decodes encodes");
    let read_again = decode(&again).expect("it was just encoded");
    assert_same(&decoded, &read_again);
    check_rows(&bytes);
    let strategy = Strategy::ALL[usize::from(mode >> 1) % Strategy::ALL.len()];
    newest(&decoded.numbers, &decoded.text).expect("it is valid");
    resolve(decoded.borrowed(), strategy).expect("it is valid");
    merge(decoded.borrowed()).expect("it is valid");
    if let Ok(resolved) = resolve_deltas(&bytes, &again, strategy) {
        decode(&resolved).expect("what was resolved is a delta");
    }
}

fn assert_same(one: &Decoded<'_>, other: &Decoded<'_>) {
    // A timestamp of 0 is replaced by that of the newest change.
    let numbers = |decoded: &Decoded<'_>| [&decoded.numbers[..5], &decoded.numbers[6..]].concat();
    assert_eq!(numbers(one), numbers(other));
    assert_eq!(one.text, other.text);
    assert_eq!(one.vectors, other.vectors);
    assert_eq!(one.columns, other.columns);
    assert_eq!(one.checksum, other.checksum);
}

/// A delta of a database comes back as the rows that it has.
fn check_rows(bytes: &[u8]) {
    let Ok(DeltaRows { shard, names, rows }) = decode_rows(bytes) else { return };
    assert!(rows.iter().all(|entry| entry.row.is_intact()));
    let stored: Vec<StoredChange> =
        (1..).zip(&rows).map(|(change_id, entry)| StoredChange { change_id, entry: entry.clone() }).collect();
    let again = encode_rows(&shard, &stored, &names, Timestamp::default()).expect("what was read encodes");
    let read_again = decode_rows(&again).expect("it was just encoded");
    assert_eq!(read_again.shard, shard);
    assert_eq!(read_again.rows, rows);
}

/// Puts both checksums right, as far as the header still locates the sections. See `docs/delta-format.md`.
pub(crate) fn seal(bytes: &mut [u8]) {
    if bytes.len() < HEADER {
        return;
    }
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap_or_default()) as usize;
    let columns = number(34).min(bytes.len() - HEADER);
    let is_packed = [bytes[46], bytes[47]].map(|mode| mode != 0);
    if is_packed == [false; 2] {
        let mut content = Xxh3Default::new();
        content.update(&(columns as u64).to_le_bytes());
        content.update(&bytes[HEADER..]);
        let checksum = content.digest128().to_le_bytes();
        bytes[14..30].copy_from_slice(&checksum);
        bytes[30..34].copy_from_slice(&(columns as u32).to_le_bytes());
        let vectors = (bytes.len() - HEADER - columns) as u32;
        bytes[38..42].copy_from_slice(&vectors.to_le_bytes());
        bytes[42..46].copy_from_slice(&vectors.to_le_bytes());
        bytes[34..38].copy_from_slice(&(columns as u32).to_le_bytes());
    }
    let mut head = Xxh3Default::new();
    head.update(&bytes[..48]);
    let (first, second) = bytes[HEADER..].split_at(columns);
    for (section, packed) in [first, second].into_iter().zip(is_packed) {
        if packed {
            head.update(section);
        }
    }
    let hash = (head.digest128() as u64).to_le_bytes();
    bytes[48..56].copy_from_slice(&hash);
}

const HEADER: usize = 56;
const COMPRESSION: usize = 5;
/// The most bytes of an unpacked delta.
const LIMIT: usize = 64 << 20;
/// A byte of MessagePack becomes a number of eight, which is copied once and parsed into a change.
const PLAIN: usize = 64;
/// A byte of LZ4 stands for at most 255 bytes.
const PACKED: usize = 255 * PLAIN;
