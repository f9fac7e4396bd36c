use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::DeltaError;

/// A random number that identifies one incarnation of one database. Shown, and ordered, as 16 hexadecimal digits.
///
/// A restored, copied or otherwise doubtful file takes a new one, so that two incarnations never use the same change
/// numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SiteId(u64);

/// A random number that identifies one sequence of change ids of a database. A cursor is valid only for the changelog
/// that it was made from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChangelogId(u64);

macro_rules! random_number {
    ($name:ident) => {
        impl $name {
            /// Wraps a number; entropy comes from the caller.
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The number.
            #[must_use]
            pub const fn number(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = DeltaError;

            fn from_str(text: &str) -> Result<Self, DeltaError> {
                let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                digits
                    .then(|| u64::from_str_radix(text, 16).ok())
                    .flatten()
                    .map(Self)
                    .ok_or_else(|| DeltaError::SiteId { text: text.chars().take(100).collect() })
            }
        }
    };
}

random_number!(SiteId);
random_number!(ChangelogId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_order_is_the_order_of_sites() {
        let mut sites = [SiteId::new(256), SiteId::new(u64::MAX), SiteId::new(1)];
        sites.sort();
        let printed: Vec<String> = sites.iter().map(ToString::to_string).collect();
        assert!(printed.is_sorted());
        assert_eq!(printed[1].parse::<SiteId>().unwrap(), SiteId::new(256));
        assert_eq!("12".parse::<SiteId>().unwrap_err().code(), "ERR_ARGUMENT");
    }
}
