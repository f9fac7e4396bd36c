use crate::changes::hash::{Hash, hex};

/// The hash that the checksum of a delta is: of the length of its columns, the columns, and the vectors to come.
pub(super) fn content_hash(columns: &[u8]) -> Hash {
    let mut hash = Hash::new();
    hash.add(&(columns.len() as u64).to_le_bytes());
    hash.add(columns);
    hash
}

/// A checksum as text.
pub(super) fn to_text(checksum: u128) -> String {
    let mut text = String::with_capacity(32);
    hex(checksum, &mut text);
    text
}

/// Both looks at a block happen while it is in the nearest cache.
pub(super) const BLOCK: usize = 4096;
