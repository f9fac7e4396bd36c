use crate::changes::hash::{Hash, hex};

/// Begins the hash that is a delta's checksum, with the length of the columns and the columns. The vectors follow.
pub(super) fn content_hash(columns: &[u8]) -> Hash {
    let mut hash = Hash::new();
    hash.add(&(columns.len() as u64).to_le_bytes());
    hash.add(columns);
    hash
}

/// A checksum as 32 hexadecimal digits.
pub(super) fn to_text(checksum: u128) -> String {
    let mut text = String::with_capacity(32);
    hex(checksum, &mut text);
    text
}

/// Vectors are checked and hashed in blocks of this size, so that each stays in the L1 cache.
pub(super) const BLOCK: usize = 4096;
