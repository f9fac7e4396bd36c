use std::borrow::Cow;

use crate::DeltaError;
use crate::model::first_not_finite;

use super::checksum::{BLOCK, content_hash, to_text};
use super::columns::read_columns;
use super::compression::Compression;
use super::header::Header;
use super::msgpack::malformed;
use crate::changes::change::Changes;
use crate::changes::flat::FlatRef;
use crate::changes::parse::{MetadataRule, parse, parse_to_hash};

/// A decoded delta.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded<'a> {
    /// See [`FlatRef`].
    pub numbers: Vec<f64>,
    /// See [`FlatRef`].
    pub text: String,
    /// See [`FlatRef`]. Borrowed from the bytes if these are not compressed.
    pub vectors: Cow<'a, [u8]>,
    /// See [`Packed`](crate::changes::Packed).
    pub columns: Cow<'a, [u8]>,
    /// The content's checksum, 32 hexadecimal digits.
    pub checksum: String,
    /// The compression that the writer declared.
    pub compression: Compression,
    /// Whether all components are finite.
    is_finite: bool,
}

impl Decoded<'_> {
    /// Borrows the flat form.
    #[must_use]
    pub fn borrowed(&self) -> FlatRef<'_> {
        FlatRef { numbers: &self.numbers, text: &self.text, vectors: &self.vectors }
    }

    pub(crate) fn changes(&self) -> Result<Changes<'_>, DeltaError> {
        let parse = if self.is_finite { parse_to_hash } else { parse };
        let changes = parse(self.borrowed(), MetadataRule::Objects).map_err(|error| match error.code() {
            // Here the bytes are wrong, not an argument.
            "ERR_ARGUMENT" => DeltaError::Malformed { what: "delta", reason: error.to_string() },
            _ => error,
        })?;
        if changes.omits_vectors {
            return Err(malformed("it has dimensions without components"));
        }
        if !changes.was_canonical {
            return Err(malformed("its keys are out of order or unused"));
        }
        Ok(changes)
    }
}

/// Decodes the bytes of a delta.
///
/// # Errors
/// `ERR_CHECKSUM` if the bytes were altered; `ERR_CODEC` for a compression that this build cannot read; `ERR_LIMIT`
/// above 64 MiB or a count's limit, before anything is allocated for it; `ERR_PROTOCOL`, `ERR_DIMENSIONS` or
/// `ERR_VECTOR` for bytes that no encoder writes.
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, DeltaError> {
    let decoded = open(bytes)?;
    decoded.changes()?;
    Ok(decoded)
}

/// Decodes the bytes without validating the changes.
pub(crate) fn open(bytes: &[u8]) -> Result<Decoded<'_>, DeltaError> {
    let header = Header::read(bytes)?;
    let (columns, vectors) = bytes[Header::BYTES..].split_at(header.columns.stored);
    let columns = header.compression.load(header.columns, columns)?;
    let vectors = header.compression.load(header.vectors, vectors)?;
    let mut hash = content_hash(&columns);
    let mut is_finite = true;
    for block in vectors.chunks(BLOCK) {
        is_finite &= first_not_finite(block).is_none();
        hash.add(block);
    }
    if hash.value() != header.checksum {
        return Err(DeltaError::DeltaChecksum);
    }
    let (numbers, text) = read_columns(&columns, header.timestamp)?;
    let text = text.to_owned();
    Ok(Decoded {
        numbers,
        text,
        vectors,
        columns,
        checksum: to_text(header.checksum),
        compression: header.compression,
        is_finite,
    })
}
