//! Reading lists from a peer: the count is checked before anything is allocated, and again while it is read.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// For `#[serde(deserialize_with)]`: a list of at most `MAX` elements.
pub(crate) fn list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(List::<T, MAX>(PhantomData))
}

/// For `#[serde(deserialize_with)]`: a text of at most `MAX` bytes.
pub(crate) fn text<'de, D, const MAX: usize>(deserializer: D) -> Result<String, D::Error>
where
    D: Deserializer<'de>,
{
    let text = <&str>::deserialize(deserializer)?;
    if text.len() > MAX {
        return Err(Error::custom(format_args!(
            "a text of {} bytes is above the limit of {MAX}",
            text.len()
        )));
    }
    Ok(text.to_owned())
}

struct List<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let claimed = seq.size_hint().unwrap_or(0);
        if claimed > MAX {
            return Err(Error::custom(format_args!("a list of {claimed} is above the limit of {MAX}")));
        }
        // A claimed count reserves little: the elements themselves have to arrive for more.
        let mut list = Vec::with_capacity(claimed.min(RESERVED));
        while let Some(element) = seq.next_element()? {
            if list.len() == MAX {
                return Err(Error::custom(format_args!("a list is above the limit of {MAX}")));
            }
            list.push(element);
        }
        Ok(list)
    }
}

const RESERVED: usize = 4_096;
