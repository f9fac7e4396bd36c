use std::fmt;
use std::str::FromStr;

use crate::DeltaError;

/// SHA-256 of a node's certificate (DER). Peers pin it, and cursors are stored under it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Wraps a SHA-256 value.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    /// 64 lowercase hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = DeltaError;

    /// Reads 64 hexadecimal digits of either case; colons between bytes are allowed, as `openssl` prints them.
    fn from_str(text: &str) -> Result<Self, DeltaError> {
        let refuse = || DeltaError::Fingerprint { text: text.chars().take(100).collect() };
        let digits: Vec<u8> = text
            .bytes()
            .filter(|byte| *byte != b':')
            .map(|byte| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()
            .ok_or_else(refuse)?;
        if digits.len() != 64 {
            return Err(refuse());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_fingerprint_reads_back_with_and_without_colons() {
        let fingerprint = Fingerprint::new(std::array::from_fn(|i| i as u8 * 7));
        let plain = fingerprint.to_string();
        let colons: Vec<&str> = plain.as_bytes().chunks(2).map(|p| std::str::from_utf8(p).unwrap()).collect();
        assert_eq!(plain.parse::<Fingerprint>().unwrap(), fingerprint);
        assert_eq!(colons.join(":").to_uppercase().parse::<Fingerprint>().unwrap(), fingerprint);
    }

    #[test]
    fn short_and_foreign_text_is_refused() {
        for text in ["", "ab", &"g".repeat(64), &"a".repeat(65), "é"] {
            assert_eq!(text.parse::<Fingerprint>().unwrap_err().code(), "ERR_ARGUMENT");
        }
    }
}
