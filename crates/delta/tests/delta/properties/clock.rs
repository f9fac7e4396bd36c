use proptest::prelude::*;
use vectr_delta::{MAX_SAFE_INTEGER, Timestamp};

use crate::support::draw::Draw;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn timestamps_increase_whatever_the_wall_clock_does(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut last = Timestamp::default();
        for _ in 0..20 {
            let wall = draw.stamp();
            let seen = draw.coin().then(|| draw.stamp());
            let stamp = Timestamp::of_write(wall, last, seen);
            let full = stamp.as_micros() == MAX_SAFE_INTEGER;
            prop_assert!(stamp >= wall);
            prop_assert!(full || stamp > last && seen.is_none_or(|seen| stamp > seen));
            // No further ahead than one of the inputs requires.
            let least = wall.max(last.next()).max(seen.map_or(wall, Timestamp::next));
            prop_assert_eq!(stamp, least);
            last = stamp;
        }
    }

    #[test]
    fn a_later_argument_never_gives_an_earlier_timestamp(seed: u64) {
        let mut draw = Draw::new(seed);
        let (wall, last, seen) = (draw.stamp(), draw.stamp(), draw.stamp());
        let stamp = Timestamp::of_write(wall, last, Some(seen));
        prop_assert!(Timestamp::of_write(wall.next(), last, Some(seen)) >= stamp);
        prop_assert!(Timestamp::of_write(wall, last.next(), Some(seen)) >= stamp);
        prop_assert!(Timestamp::of_write(wall, last, Some(seen.next())) >= stamp);
        prop_assert!(Timestamp::of_write(wall, last, None) <= stamp);
    }
}
