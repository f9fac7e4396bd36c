/// Why the delta logic refused something. Nothing has changed when one of these is returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    // The caller's argument.
    /// Text that is no certificate fingerprint.
    #[error("'{text}' is no fingerprint: give the 64 hexadecimal digits that the peer prints as its own")]
    Fingerprint {
        /// The text, shortened.
        text: String,
    },
    /// Text that is no site number.
    #[error("'{text}' is no site: give 16 hexadecimal digits")]
    SiteId {
        /// The text, shortened.
        text: String,
    },
    /// An id or name of a wrong length or with control characters.
    #[error("{what} '{shown}' has {bytes} bytes: give 1 to {max} bytes without control characters")]
    Name {
        /// Which kind of name.
        what: &'static str,
        /// Its beginning.
        shown: String,
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        max: usize,
    },
    /// A strategy that does not exist.
    #[error("'{text}' is no strategy: give last-write-wins, first-write-wins, merge or manual")]
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
    /// Metadata that is no JSON object.
    #[error("metadata is no JSON object: {reason}")]
    MetadataSyntax {
        /// What the parser says.
        reason: String,
    },
    /// An argument that says nothing lawful.
    #[error("{what}: {reason}")]
    Argument {
        /// Which argument or part of it.
        what: &'static str,
        /// What is wrong, and what to give.
        reason: String,
    },
    /// Conflicts that the strategy leaves to the caller.
    #[error(
        "{conflicts} conflicts wait for a choice: resolve them one by one, or give another strategy than manual"
    )]
    ManualResolution {
        /// How many.
        conflicts: usize,
    },
    /// A codec that this build has not.
    #[error("this build has no {codec} for that: {way_out}")]
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
    /// A number of components that no vector has.
    #[error("a vector of {count} components is out of range: give 1 to 65536")]
    DimensionRange {
        /// The number.
        count: u64,
    },
    /// Another number of components than the shard's.
    #[error("{found} components do not fit the shard's {expected}")]
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
    /// A frame whose content does not fit its checksum.
    #[error("a frame of {bytes} bytes does not fit its checksum: the bytes were altered on the way")]
    Checksum {
        /// The frame's length.
        bytes: usize,
    },
    /// A delta whose content does not fit its checksum.
    #[error("the delta does not fit its checksum: it was altered after it was made")]
    DeltaChecksum,
    /// A count or length above its limit.
    #[error("{what} of {size} is above the limit of {limit}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Bytes that do not say what the protocol allows.
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
