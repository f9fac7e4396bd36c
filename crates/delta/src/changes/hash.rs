use xxhash_rust::xxh3::Xxh3Default;

/// XXH3-128 (seed 0) of bytes that come in pieces.
///
/// Nothing of it is inlined: each copy would put some hundred bytes into the browser's module.
pub(super) struct Hash(Xxh3Default);

impl Hash {
    #[inline(never)]
    pub(super) fn new() -> Self {
        Self(Xxh3Default::new())
    }

    #[inline(never)]
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    #[inline(never)]
    pub(super) fn restart(&mut self) {
        self.0.reset();
    }

    #[inline(never)]
    pub(super) fn value(&self) -> u128 {
        self.0.digest128()
    }
}
