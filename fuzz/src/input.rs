/// Reads structure out of the fuzzer's bytes. What is missing reads as zero, so that every input means something.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

/// A frame of a peer without its length and checksum: the target puts them right, since no fuzzer guesses a checksum.
/// In the input: `u8 kind | u16 length, and in its highest bit whether the message goes on | body`.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) kind: u8,
    pub(crate) more: bool,
    pub(crate) body: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    pub(crate) fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// The next bytes, or as many as there are.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn piece(&mut self) -> Option<Piece<'a>> {
        if self.is_empty() {
            return None;
        }
        let (kind, length) = (self.byte(), self.short());
        Some(Piece { kind, more: length & MORE != 0, body: self.take(usize::from(length & !MORE)) })
    }
}

impl Piece<'_> {
    /// Appends the piece as an input has it. A body beyond its limit is cut.
    pub(crate) fn write(&self, input: &mut Vec<u8>) {
        let length = self.body.len().min(usize::from(!MORE));
        input.push(self.kind);
        input.extend_from_slice(&(length as u16 | if self.more { MORE } else { 0 }).to_le_bytes());
        input.extend_from_slice(&self.body[..length]);
    }
}

const MORE: u16 = 1 << 15;
