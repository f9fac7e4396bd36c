/// Changes of one shard as three flat arrays, which is how they cross into and out of JavaScript.
///
/// `numbers` are six header numbers, `[n changes, k keys, c context entries, fromChangeId, toChangeId, timestamp]`,
/// then nine columns of n numbers each:
///
/// | column | meaning |
/// | --- | --- |
/// | changeId | the number of the change in its database |
/// | operation | 1 insert, 2 update, 3 delete |
/// | timestamp | microseconds since the Unix epoch |
/// | source | index of the key that names who made the change |
/// | dotSite | index of the key of the change's own number; -1: the change has the number that its history gives its source |
/// | dotSeq | the change's own number; 0 where dotSite is -1 |
/// | contextEntries | how many entries its history has |
/// | dimensions | components of its vector; 0: none |
/// | hasMetadata | 0 or 1 |
///
/// and for all changes, one after the other, `contextSites[c]` (indices of keys) and `contextSeqs[c]`. All but dotSite
/// are whole numbers from 0 to 2^53 - 1.
///
/// `text` are lines with one line feed between two: the shard's id, n vector ids, k keys, and the JSON text of each
/// change that has metadata.
///
/// `vectors` are little-endian f32, all vectors one after the other. Where a function says so they may be left out:
/// the dimensions are still given then.
#[derive(Clone, Copy, Debug)]
pub struct FlatRef<'a> {
    /// Header and columns.
    pub numbers: &'a [f64],
    /// Names and JSON texts.
    pub text: &'a str,
    /// The vectors' components.
    pub vectors: &'a [u8],
}

/// A [`FlatRef`] that owns what it holds.
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
    /// The same, borrowed.
    #[must_use]
    pub fn borrowed(&self) -> FlatRef<'_> {
        FlatRef { numbers: &self.numbers, text: &self.text, vectors: &self.vectors }
    }
}

/// Numbers before the columns.
pub(crate) const HEADER: usize = 6;
/// Columns with one number a change.
pub(crate) const COLUMNS: usize = 9;
/// The most changes of one delta.
pub(crate) const MAX_CHANGES: usize = 65_536;
/// The most changes of a flat form: two deltas that meet.
pub(crate) const MAX_FLAT: usize = 2 * MAX_CHANGES;
/// The most keys: each change may bring two of its own.
pub(crate) const MAX_KEYS: usize = 2 * MAX_FLAT;
/// The most context entries of a flat form and of a delta.
pub(crate) const MAX_ENTRIES: usize = 1 << 21;
