#[cfg(not(target_family = "wasm"))]
use dispatched::State;
#[cfg(target_family = "wasm")]
use xxhash_rust::xxh3::Xxh3Default as State;

/// Incremental XXH3-128 (seed 0).
///
/// Never inlined: each copy would add some hundred bytes to the browser's module.
pub(crate) struct Hash(State);

impl Hash {
    #[inline(never)]
    pub(crate) fn new() -> Self {
        Self(State::new())
    }

    #[inline(never)]
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    #[inline(never)]
    pub(crate) fn restart(&mut self) {
        self.0.reset();
    }

    #[inline(never)]
    pub(crate) fn value(&self) -> u128 {
        self.0.digest128()
    }
}

/// Appends a hash as 32 hexadecimal digits.
pub(crate) fn hex(hash: u128, out: &mut String) {
    for byte in hash.to_be_bytes() {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The same hash by an implementation that detects CPU features at run time; with AVX2 it takes two thirds of the time.
#[cfg(not(target_family = "wasm"))]
mod dispatched {
    use twox_hash::xxhash3_128::{DEFAULT_SECRET_LENGTH, RawHasher, SecretBuffer};

    pub(super) struct State(RawHasher<&'static [u8; DEFAULT_SECRET_LENGTH]>);

    impl State {
        pub(super) fn new() -> Self {
            Self(RawHasher::new(SecretBuffer::default()))
        }

        pub(super) fn update(&mut self, bytes: &[u8]) {
            self.0.write(bytes);
        }

        pub(super) fn reset(&mut self) {
            *self = Self::new();
        }

        pub(super) fn digest128(&self) -> u128 {
            self.0.finish_128()
        }
    }

    #[cfg(test)]
    mod tests {
        use xxhash_rust::xxh3::xxh3_128;

        use super::*;

        #[test]
        fn both_implementations_agree_however_the_bytes_are_split() {
            let bytes: Vec<u8> = (0..5000_u32).map(|index| ((index * index) >> 3) as u8).collect();
            for length in (0..600).chain([1023, 1024, 1025, 4999]) {
                let bytes = &bytes[..length];
                for piece in [1, 63, 64, 255, 256, 257, 1024] {
                    let mut state = State::new();
                    bytes.chunks(piece).for_each(|piece| state.update(piece));
                    assert_eq!(state.digest128(), xxh3_128(bytes), "{length} bytes in pieces of {piece}");
                }
            }
        }
    }
}
