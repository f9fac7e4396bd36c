//! The keys of the objects that are being read, and whether one of them is there twice.

use super::escapes::CodeUnits;
use crate::sort::sort;

#[derive(Default)]
pub(super) struct Keys<'a> {
    keys: Vec<Key<'a>>,
}

/// A key as it is written, and whether it has escapes.
#[derive(Clone, Copy)]
struct Key<'a> {
    text: &'a str,
    #[cfg(not(target_arch = "wasm32"))]
    escaped: bool,
}

impl<'a> Keys<'a> {
    pub(super) const fn count(&self) -> usize {
        self.keys.len()
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    #[cfg_attr(
        target_arch = "wasm32",
        allow(unused_variables, reason = "all are compared by their code units")
    )]
    pub(super) fn add(&mut self, text: &'a str, escaped: bool) {
        self.keys.push(Key {
            text,
            #[cfg(not(target_arch = "wasm32"))]
            escaped,
        });
    }

    /// Forgets all keys but the first `before`. Returns one that was among the others twice, as it was written.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    pub(super) fn close(&mut self, before: usize) -> Option<&'a str> {
        let own = self.keys.get(before..).unwrap_or_default();
        let doubled = doubled_of(own);
        self.keys.truncate(before);
        doubled
    }
}

/// In the browser's module one way has to do for all.
#[cfg(target_arch = "wasm32")]
use doubled_of_many as doubled_of;

#[cfg(not(target_arch = "wasm32"))]
fn doubled_of<'a>(keys: &[Key<'a>]) -> Option<&'a str> {
    if keys.len() > FEW || keys.iter().any(|key| key.escaped) {
        return doubled_of_many(keys);
    }
    let is_earlier = |at: usize| keys[..at].iter().any(|key| key.text == keys[at].text);
    (1..keys.len()).find(|at| is_earlier(*at)).map(|at| keys[at].text)
}

#[inline(never)]
fn doubled_of_many<'a>(keys: &[Key<'a>]) -> Option<&'a str> {
    let compare = |one: u32, other: u32| {
        CodeUnits::of(keys[one as usize].text).cmp(CodeUnits::of(keys[other as usize].text))
    };
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    sort(&mut order, &compare);
    let doubled = order.windows(2).find(|pair| compare(pair[0], pair[1]).is_eq());
    doubled.map(|pair| keys[pair[1] as usize].text)
}

/// Up to this many keys, comparing all pairs is quicker than sorting.
#[cfg(not(target_arch = "wasm32"))]
const FEW: usize = 16;
