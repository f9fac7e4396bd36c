/// Why the delta logic refused an input. Nothing has changed when it is returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    // The caller's argument.
    /// Text that is not a certificate fingerprint.
    #[error("'{text}' is not a fingerprint: give the 64 hexadecimal digits that the peer prints")]
    Fingerprint {
        /// The text, shortened.
        text: String,
    },
    /// Text that is not a site id.
    #[error("'{text}' is not a site id: give 16 hexadecimal digits")]
    SiteId {
        /// The text, shortened.
        text: String,
    },
    /// An id or name that is too long, empty or has control characters.
    #[error("{what} '{shown}' has {bytes} bytes: give 1 to {max} bytes without control characters")]
    Name {
        /// Which kind of name.
        what: &'static str,
        /// Its first characters.
        shown: String,
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        max: usize,
    },
    /// Text that is not a strategy.
    #[error("'{text}' is not a strategy: give last-write-wins, first-write-wins, merge or manual")]
    Strategy {
        /// The text, shortened.
        text: String,
    },
    /// Metadata above the limit.
    #[error("metadata of {bytes} bytes is too large: give at most 262144 bytes")]
    MetadataSize {
        /// Its size.
        bytes: usize,
    },
    /// Metadata that is not a JSON object.
    #[error("metadata is not a JSON object: {reason}")]
    MetadataSyntax {
        /// What the parser expected, and where.
        reason: String,
    },
    /// Metadata whose objects and arrays nest too deep.
    #[error("metadata nests too deep for SQL: give at most 1000 levels")]
    MetadataDepth,
    /// Metadata with a key twice in one object.
    #[error("metadata has the key '{key}' twice in one object: give each key once")]
    MetadataKey {
        /// The key as it is written, shortened.
        key: String,
    },
    /// An argument that is not valid.
    #[error("{what}: {reason}")]
    Argument {
        /// Which argument or part of it.
        what: &'static str,
        /// What is wrong, and what to give.
        reason: String,
    },
    /// Conflicts that the strategy leaves to the caller.
    #[error(
        "{conflicts} conflicts need a manual choice: resolve each of them, or use a strategy other than manual"
    )]
    ManualResolution {
        /// How many.
        conflicts: usize,
    },
    /// A codec that this build does not include.
    #[error("this build does not support {codec} here: {way_out}")]
    Codec {
        /// Its name.
        codec: &'static str,
        /// What to do instead.
        way_out: String,
    },

    // The vector.
    /// A component that is not finite.
    #[error("component {index} of the vector is not finite")]
    NotFinite {
        /// Which component, from 0.
        index: usize,
    },
    /// A number of components outside 1 to 65,536.
    #[error("a vector cannot have {count} components: give 1 to 65536")]
    DimensionRange {
        /// The number.
        count: u64,
    },
    /// A number of components other than the shard's.
    #[error("the vector has {found} components, but the shard's vectors have {expected}")]
    Dimensions {
        /// The shard's number.
        expected: usize,
        /// The number found.
        found: usize,
    },

    // The peer's bytes.
    /// A number outside its range.
    #[error("{what} {value} is out of range")]
    Number {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    /// A frame whose content does not match its checksum.
    #[error("checksum mismatch in a frame of {bytes} bytes: it was altered in transit")]
    Checksum {
        /// The frame's length.
        bytes: usize,
    },
    /// A delta whose content does not match its checksum.
    #[error("delta checksum mismatch: it was altered after it was made")]
    DeltaChecksum,
    /// A count or length above its limit.
    #[error("{what} of {size} exceeds the limit of {limit}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Bytes that violate the protocol or the format of a delta.
    #[error("unreadable {what}: {reason}")]
    Malformed {
        /// Which message or part.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl DeltaError {
    /// The stable code that JavaScript sees as `error.code`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Fingerprint { .. }
            | Self::SiteId { .. }
            | Self::Name { .. }
            | Self::Strategy { .. }
            | Self::MetadataSize { .. }
            | Self::MetadataSyntax { .. }
            | Self::MetadataDepth
            | Self::MetadataKey { .. }
            | Self::Argument { .. } => "ERR_ARGUMENT",
            Self::ManualResolution { .. } => "ERR_MANUAL_RESOLUTION",
            Self::Codec { .. } => "ERR_CODEC",
            Self::NotFinite { .. } => "ERR_VECTOR",
            Self::DimensionRange { .. } | Self::Dimensions { .. } => "ERR_DIMENSIONS",
            Self::Number { .. } | Self::Malformed { .. } => "ERR_PROTOCOL",
            Self::Checksum { .. } | Self::DeltaChecksum => "ERR_CHECKSUM",
            Self::Limit { .. } => "ERR_LIMIT",
        }
    }
}
