use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::bounds::MAX_REMEMBERED;

/// How often something may happen for each of many keys: so many times, and then once a period.
pub(super) struct Rates<K> {
    most: u32,
    period: Duration,
    uses: Mutex<HashMap<K, Uses>>,
}

#[derive(Clone, Copy)]
struct Uses {
    count: u32,
    /// When the last of them was given back, or the first one taken.
    since: Instant,
}

impl<K: Eq + Hash + Clone> Rates<K> {
    pub(super) fn new(most: u32, period: Duration) -> Self {
        Self { most, period, uses: Mutex::default() }
    }

    /// Takes one. False: none is left now.
    pub(super) fn take(&self, key: K, now: Instant) -> bool {
        let mut uses = self.lock();
        let mut current = self.current(&uses, &key, now);
        if current.count >= self.most {
            return false;
        }
        current.count += 1;
        if !uses.contains_key(&key) {
            self.make_room(&mut uses, now);
        }
        uses.insert(key, current);
        true
    }

    /// Whether one is left.
    pub(super) fn has_left(&self, key: &K, now: Instant) -> bool {
        self.current(&self.lock(), key, now).count < self.most
    }

    fn current(&self, uses: &HashMap<K, Uses>, key: &K, now: Instant) -> Uses {
        let known = uses.get(key).copied().unwrap_or(Uses { count: 0, since: now });
        self.given_back(known, now)
    }

    fn given_back(&self, uses: Uses, now: Instant) -> Uses {
        let periods = now.saturating_duration_since(uses.since).as_nanos() / self.period.as_nanos().max(1);
        if periods >= u128::from(uses.count) {
            return Uses { count: 0, since: now };
        }
        // Fewer than `count`, which is a u32.
        let periods = periods as u32;
        Uses { count: uses.count - periods, since: uses.since + self.period.saturating_mul(periods) }
    }

    /// Forgets who has none in use; else who has used fewest, the longest ago.
    fn make_room(&self, uses: &mut HashMap<K, Uses>, now: Instant) {
        if uses.len() < MAX_REMEMBERED {
            return;
        }
        uses.retain(|_, known| self.given_back(*known, now).count > 0);
        let idlest =
            uses.iter().min_by_key(|(_, known)| (known.count, known.since)).map(|(key, _)| key.clone());
        if let Some(idlest) = idlest.filter(|_| uses.len() >= MAX_REMEMBERED) {
            uses.remove(&idlest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Uses>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(10);

    #[test]
    fn each_key_has_a_few_and_then_one_a_period() {
        let (rates, now) = (Rates::new(3, PERIOD), Instant::now());
        assert_eq!([0; 5].map(|_| rates.take('a', now)), [true, true, true, false, false]);
        assert!(!rates.has_left(&'a', now) && rates.take('b', now));
        assert_eq!([0; 2].map(|_| rates.take('a', now + PERIOD)), [true, false]);
        assert_eq!([0; 4].map(|_| rates.take('a', now + PERIOD * 9)), [true, true, true, false]);
    }

    #[test]
    fn what_is_never_given_back_stays_taken() {
        let (rates, now) = (Rates::new(1, Duration::MAX), Instant::now());
        assert!(rates.take('a', now) && !rates.take('a', now + PERIOD * 1_000_000));
    }

    #[test]
    fn keys_without_number_push_out_no_key_that_has_used_more() {
        let (rates, now) = (Rates::new(3, PERIOD), Instant::now());
        assert!(rates.take(0, now) && rates.take(0, now) && rates.take(0, now));
        for key in 1..=2 * MAX_REMEMBERED {
            assert!(rates.take(key, now));
        }
        let known = rates.lock().len();
        assert_eq!((known, rates.take(0, now)), (MAX_REMEMBERED, false));
    }
}
