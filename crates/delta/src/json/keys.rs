//! The keys of the objects that are being read, and whether one of them is there twice.

use super::escapes::code_units;
use crate::sort::sort_by;

#[derive(Default)]
pub(super) struct Keys<'a> {
    keys: Vec<Key<'a>>,
}

/// A key as it is written, and whether it has escapes.
#[derive(Clone, Copy)]
struct Key<'a> {
    text: &'a str,
    escaped: bool,
}

impl<'a> Keys<'a> {
    pub(super) const fn count(&self) -> usize {
        self.keys.len()
    }

    #[inline]
    pub(super) fn add(&mut self, text: &'a str, escaped: bool) {
        if self.keys.capacity() == 0 {
            self.keys.reserve(FEW);
        }
        self.keys.push(Key { text, escaped });
    }

    /// Forgets all keys but the first `before`. Returns one that was among the others twice, as it was written.
    #[inline]
    pub(super) fn close(&mut self, before: usize) -> Option<&'a str> {
        let own = self.keys.get(before..).unwrap_or_default();
        let plain = own.iter().all(|key| !key.escaped);
        let doubled = match own {
            [] | [_] => None,
            own if plain && own.len() <= FEW => doubled_of_few(own),
            own => doubled_of_many(own),
        };
        self.keys.truncate(before);
        doubled
    }
}

fn doubled_of_few<'a>(keys: &[Key<'a>]) -> Option<&'a str> {
    let is_earlier = |at: usize| keys[..at].iter().any(|key| key.text == keys[at].text);
    (1..keys.len()).find(|at| is_earlier(*at)).map(|at| keys[at].text)
}

#[inline(never)]
fn doubled_of_many<'a>(keys: &[Key<'a>]) -> Option<&'a str> {
    let mut sorted: Vec<(Vec<u16>, &str)> = keys.iter().map(|key| (code_units(key.text), key.text)).collect();
    sort_by(&mut sorted, |one, other| one.0.cmp(&other.0));
    sorted.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].1)
}

/// Up to this many keys, comparing all pairs is quicker than sorting.
const FEW: usize = 16;
