//! Groups the bytes of f32 numbers by their position in the number. Exponents are then adjacent and compress better.

/// All first bytes, then all second bytes, and so on. The length must be a multiple of four.
pub(crate) fn shuffle(bytes: &[u8]) -> Vec<u8> {
    let count = bytes.len() / 4;
    let mut out = vec![0; count * 4];
    let (ab, cd) = out.split_at_mut(2 * count);
    let ((a, b), (c, d)) = (ab.split_at_mut(count), cd.split_at_mut(count));
    for ((((quad, a), b), c), d) in bytes.chunks_exact(4).zip(a).zip(b).zip(c).zip(d) {
        (*a, *b, *c, *d) = (quad[0], quad[1], quad[2], quad[3]);
    }
    out
}

/// The reverse of [`shuffle`].
pub(crate) fn unshuffle(bytes: &[u8]) -> Vec<u8> {
    let count = bytes.len() / 4;
    let (ab, cd) = bytes[..count * 4].split_at(2 * count);
    let ((a, b), (c, d)) = (ab.split_at(count), cd.split_at(count));
    let mut out = vec![0; count * 4];
    for ((((quad, a), b), c), d) in out.chunks_exact_mut(4).zip(a).zip(b).zip(c).zip(d) {
        quad.copy_from_slice(&[*a, *b, *c, *d]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unshuffle_restores_the_order_of_bytes() {
        let bytes: Vec<u8> = (0..64).collect();
        assert_eq!(shuffle(&bytes)[..4], [0, 4, 8, 12]);
        assert_eq!(unshuffle(&shuffle(&bytes)), bytes);
        assert!(shuffle(&[]).is_empty() && unshuffle(&[]).is_empty());
    }
}
