/// Changes of one shard as three flat arrays, the form in which they cross the boundary to JavaScript.
///
/// `numbers` are six header numbers, `[n changes, k keys, c context entries, fromChangeId, toChangeId, timestamp]`,
/// then nine columns of n numbers each:
///
/// | column | meaning |
/// | --- | --- |
/// | changeId | the number of the change in its database |
/// | operation | 1 insert, 2 update, 3 delete |
/// | timestamp | microseconds since the Unix epoch |
/// | source | index of the key that names the change's source |
/// | dotSite | index of the key of the change's dot; -1: the dot is the entry of its source in its history |
/// | dotSeq | the sequence number of the dot; 0 if dotSite is -1 |
/// | contextEntries | number of entries of its history |
/// | dimensions | number of components of its vector; 0: no vector |
/// | hasMetadata | 0 or 1 |
///
/// then the histories of all changes: `contextSites[c]` (indices of keys) and `contextSeqs[c]`. All numbers but dotSite
/// are integers from 0 to 2^53 - 1.
///
/// `text` is made of lines separated by line feeds: the shard's id, n vector ids, k keys, and the JSON text of each
/// change that has metadata.
///
/// `vectors` holds the components of all vectors as little-endian f32. It may be omitted if a function says so; the
/// dimensions are still given then.
#[derive(Clone, Copy, Debug)]
pub struct FlatRef<'a> {
    /// Header and columns.
    pub numbers: &'a [f64],
    /// Names and JSON texts.
    pub text: &'a str,
    /// The vectors' components.
    pub vectors: &'a [u8],
}

/// An owned [`FlatRef`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flat {
    /// Header and columns.
    pub numbers: Vec<f64>,
    /// Names and JSON texts.
    pub text: String,
    /// The vectors' components.
    pub vectors: Vec<u8>,
}

impl Flat {
    /// Borrows the arrays.
    #[must_use]
    pub fn borrowed(&self) -> FlatRef<'_> {
        FlatRef { numbers: &self.numbers, text: &self.text, vectors: &self.vectors }
    }
}

/// The count of numbers before the columns.
pub(crate) const HEADER: usize = 6;
/// The number of columns.
pub(crate) const COLUMNS: usize = 9;
/// The most changes of one delta.
pub(crate) const MAX_CHANGES: usize = 65_536;
/// The most changes of a flat form, which may hold two deltas.
pub(crate) const MAX_FLAT: usize = 2 * MAX_CHANGES;
/// The most keys: each change may have two of its own.
pub(crate) const MAX_KEYS: usize = 2 * MAX_FLAT;
/// The most context entries of a flat form and of a delta.
pub(crate) const MAX_ENTRIES: usize = 1 << 21;
