use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::DeltaError;

macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "&str", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The maximum length in bytes.
            pub const MAX_BYTES: usize = $max;

            /// Checks the length and that the text has no control characters.
            ///
            /// # Errors
            /// `ERR_ARGUMENT` if the text is empty, too long or has control characters.
            pub fn new(text: &str) -> Result<Self, DeltaError> {
                if text.is_empty() || text.len() > $max || text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
                    let shown = text.chars().take(64).collect();
                    return Err(DeltaError::Name { what: $what, shown, bytes: text.len(), max: $max });
                }
                Ok(Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = DeltaError;

            fn try_from(text: &str) -> Result<Self, DeltaError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

bounded_text!(
    /// The id of a vector in its shard: 1 to 1,024 bytes of UTF-8 without control characters.
    VectorId, "vector id", 1024
);
bounded_text!(
    /// The id of a shard: 1 to 256 bytes of UTF-8 without control characters.
    ShardId, "shard id", 256
);
bounded_text!(
    /// The name of a node: 1 to 256 bytes of UTF-8 without control characters.
    NodeName, "node name", 256
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_in_bytes() {
        assert!(VectorId::new(&"x".repeat(1024)).is_ok());
        assert!(VectorId::new(&"é".repeat(513)).is_err());
        for text in ["", "a\0b", "line\n", &"x".repeat(1025)] {
            assert_eq!(VectorId::new(text).unwrap_err().code(), "ERR_ARGUMENT");
        }
    }
}
