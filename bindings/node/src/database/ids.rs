use napi_derive::napi;

use crate::parts::Parts;

/// Ids in their order, to be taken in parts.
#[napi]
pub struct NativeIds(Parts<String>);

#[napi]
impl NativeIds {
    pub(crate) fn new(ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(Parts::new(ids.into_iter().map(Into::into).collect()))
    }

    /// The next ones, each on a line: ids contain no control characters, and one text crosses far faster than many.
    #[napi]
    #[must_use]
    pub fn take(&self) -> String {
        self.0.take(MOST_BYTES, |id| id.len() + ID_BYTES).join("\n")
    }

    /// How many have not been taken.
    #[napi(getter)]
    #[must_use]
    pub fn left(&self) -> u32 {
        self.0.left()
    }
}

/// A few thousand ids.
const MOST_BYTES: usize = 1 << 18;
/// What an id weighs beside its text.
const ID_BYTES: usize = 32;
