//! Deserializing lists and strings of a peer: a count is checked before anything is allocated, and again while the
//! elements are read.

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

/// For `#[serde(deserialize_with)]`: an error code of a peer, which programs compare and people read in logs: capital
/// letters, digits and `_`, at most 64.
pub(crate) fn code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let code = text::<D, 64>(deserializer)?;
    if code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') {
        return Ok(code);
    }
    Err(Error::custom("an error code of other characters than capital letters, digits and '_'"))
}

/// For `#[serde(deserialize_with)]`: a string of at most `MAX` bytes.
pub(crate) fn text<'de, D, const MAX: usize>(deserializer: D) -> Result<String, D::Error>
where
    D: Deserializer<'de>,
{
    let text = <&str>::deserialize(deserializer)?;
    if text.len() > MAX {
        return Err(Error::custom(format_args!(
            "a string of {} bytes exceeds the limit of {MAX}",
            text.len()
        )));
    }
    Ok(text.to_owned())
}

struct List<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let claimed = seq.size_hint().unwrap_or(0);
        if claimed > MAX {
            return Err(Error::custom(format_args!(
                "a list of {claimed} elements exceeds the limit of {MAX}"
            )));
        }
        // Reserve little for a claimed count; more is allocated only as elements arrive.
        let mut list = Vec::with_capacity(claimed.min(RESERVED));
        while let Some(element) = seq.next_element()? {
            if list.len() == MAX {
                return Err(Error::custom(format_args!("a list exceeds the limit of {MAX} elements")));
            }
            list.push(element);
        }
        Ok(list)
    }
}

const RESERVED: usize = 4_096;
