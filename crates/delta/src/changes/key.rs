//! Keys of version vectors: sites as databases print them, or any other text.

use std::cmp::Ordering;

use crate::DeltaError;
use crate::sort::sort;

/// The most bytes of a key.
pub(crate) const MAX_BYTES: usize = 300;

/// The site that a key stands for: `name@` and 16 lower-case hexadecimal digits, or only the digits, as a database
/// prints a site whose name it does not know. `None` for any other text.
#[must_use]
pub fn site_of(key: &str) -> Option<u64> {
    let digits_at = key.len().checked_sub(16)?;
    let (head, digits) = key.as_bytes().split_at(digits_at);
    if !matches!(head.last(), None | Some(b'@')) {
        return None;
    }
    digits.iter().try_fold(0, |number, &digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

/// Checks length and characters.
pub(crate) fn check(key: &str) -> Result<(), DeltaError> {
    check_name("key", key, MAX_BYTES)
}

/// Checks that a name has 1 to `max` bytes and no control character.
pub(crate) fn check_name(what: &'static str, name: &str, max: usize) -> Result<(), DeltaError> {
    // Without an early exit the compiler checks many bytes at once.
    let has_control = name.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == 0x7f));
    if name.is_empty() || name.len() > max || has_control {
        let shown = name.chars().take(64).collect();
        return Err(DeltaError::Name { what, shown, bytes: name.len(), max });
    }
    Ok(())
}

/// What a key stands for. Sites are ordered first, by number, then all other texts, by their bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning<'a> {
    Site(u64),
    Text(&'a str),
}

impl<'a> Meaning<'a> {
    pub(crate) fn of(key: &'a str) -> Self {
        site_of(key).map_or(Self::Text(key), Self::Site)
    }

    fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Site(one), Self::Site(two)) => one.cmp(&two),
            (Self::Site(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Site(_)) => Ordering::Greater,
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
        }
    }
}

/// Sorted keys: by meaning, and keys of the same meaning by their bytes.
#[derive(Default)]
pub(crate) struct Keys<'a> {
    /// Each text once.
    pub(crate) texts: Vec<&'a str>,
    /// The rank of each key's meaning, counted from 0. Two names of one site have the same rank.
    pub(crate) ranks: Vec<u32>,
    meanings: Vec<Meaning<'a>>,
}

impl<'a> Keys<'a> {
    /// Sorts `given`. Also returns the new place of each of them.
    pub(crate) fn new(given: &[&'a str]) -> (Self, Vec<u32>) {
        let meanings: Vec<Meaning<'a>> = given.iter().map(|key| Meaning::of(key)).collect();
        let mut order: Vec<u32> = (0..given.len() as u32).collect();
        sort(&mut order, &|one, two| {
            let (one, two) = (one as usize, two as usize);
            meanings[one].order(meanings[two]).then_with(|| given[one].cmp(given[two]))
        });
        let mut keys = Self::default();
        let mut places = vec![0; given.len()];
        let mut last: Option<usize> = None;
        let mut rank = 0;
        for index in order.into_iter().map(|index| index as usize) {
            let is_same_text = last.is_some_and(|last| given[last] == given[index]);
            if !is_same_text {
                rank += u32::from(last.is_some_and(|last| meanings[last] != meanings[index]));
                keys.texts.push(given[index]);
                keys.ranks.push(rank);
                keys.meanings.push(meanings[index]);
            }
            places[index] = keys.texts.len() as u32 - 1;
            last = Some(index);
        }
        (keys, places)
    }

    /// The rank of the key at `index`.
    pub(crate) fn rank(&self, index: u32) -> u32 {
        self.ranks[index as usize]
    }

    /// The text of the key at `index`.
    pub(crate) fn text(&self, index: u32) -> &'a str {
        self.texts[index as usize]
    }

    /// What the key at `index` stands for.
    pub(crate) fn meaning(&self, index: u32) -> Meaning<'a> {
        self.meanings[index as usize]
    }

    /// The number of different meanings.
    pub(crate) fn count(&self) -> usize {
        self.ranks.last().map_or(0, |last| *last as usize + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_read_with_and_without_a_name() {
        assert_eq!(site_of("a@00000000000000ff"), Some(255));
        assert_eq!(site_of("a@b@00000000000000ff"), Some(255));
        assert_eq!(site_of("00000000000000ff"), Some(255));
        for other in
            ["", "a", "a00000000000000ff", "a@00000000000000FF", "é000000000000000", "a@0000000000000zzz"]
        {
            assert_eq!(site_of(other), None, "{other}");
        }
    }

    #[test]
    fn sites_come_before_other_texts_and_names_of_one_site_share_a_rank() {
        let given = ["b", "x@0000000000000002", "a", "0000000000000001", "a@0000000000000002", "b"];
        let (keys, places) = Keys::new(&given);
        let expected = ["0000000000000001", "a@0000000000000002", "x@0000000000000002", "a", "b"];
        assert_eq!(keys.texts, expected);
        assert_eq!(keys.ranks, [0, 1, 1, 2, 3]);
        assert_eq!(places, [4, 2, 3, 0, 1, 4]);
    }
}
