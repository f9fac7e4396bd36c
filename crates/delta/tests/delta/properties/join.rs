use proptest::prelude::*;
use vectr_delta::{Dot, Row, Sibling, SiteId, VersionVector};

use crate::support::draw::Draw;
use crate::support::history::{rows, three};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_join_is_commutative(seed: u64) {
        let [a, b, _] = three(&mut Draw::new(seed));
        prop_assert_eq!(a.join(&b), b.join(&a));
    }

    #[test]
    fn the_join_is_associative(seed: u64) {
        let [a, b, c] = three(&mut Draw::new(seed));
        prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
    }

    #[test]
    fn the_join_is_idempotent(seed: u64) {
        let [a, b, _] = three(&mut Draw::new(seed));
        prop_assert_eq!(a.join(&a), a.clone());
        let both = a.join(&b);
        prop_assert_eq!(both.join(&a), both.clone());
        prop_assert_eq!(both.join(&b), both);
    }

    #[test]
    fn a_join_of_valid_rows_keeps_a_version_and_covers_all_it_holds(seed: u64) {
        let [a, b, _] = three(&mut Draw::new(seed));
        let both = a.join(&b);
        prop_assert!(!both.siblings().is_empty());
        prop_assert!(both.siblings().iter().all(|sibling| both.context().covers(sibling.dot())));
        prop_assert!(both.context().covers_all(a.context()) && both.context().covers_all(b.context()));
        prop_assert!(both.siblings().is_sorted_by_key(Sibling::dot));
    }

    #[test]
    fn the_order_of_arrival_does_not_matter(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut states = rows(&mut draw);
        let forward = all(&states);
        draw.shuffle(&mut states);
        // Some arrive twice.
        states.extend_from_within(..draw.index(states.len()));
        prop_assert_eq!(all(&states), forward);
    }

    #[test]
    fn the_join_of_any_rows_is_commutative_and_idempotent(seed: u64) {
        let mut draw = Draw::new(seed);
        let (a, b) = (draw.any_row(6), draw.any_row(6));
        prop_assert_eq!(a.join(&b), b.join(&a));
        prop_assert_eq!(a.join(&a), a.clone());
        let both = a.join(&b);
        prop_assert_eq!(both.join(&a), both.clone());
        prop_assert_eq!(both.join(&b), both);
    }

    #[test]
    fn the_join_of_any_rows_without_duplicate_dots_is_associative(seed: u64) {
        let mut draw = Draw::new(seed);
        let pool: Vec<Sibling> = dots().map(|dot| draw.sibling(dot, 2)).collect();
        let mut row = || {
            let kept: Vec<Sibling> = pool.iter().filter(|_| draw.below(6) == 0).cloned().collect();
            Row::new(kept, draw.vector()).unwrap_or_else(|| Row::of_write(pool[0].clone(), draw.vector()))
        };
        let (a, b, c) = (row(), row(), row());
        prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
    }

    #[test]
    fn a_resolved_version_supersedes_what_it_shows_and_nothing_else(seed: u64) {
        let [a, b, _] = three(&mut Draw::new(seed));
        let both = a.join(&b);
        let newest = both.siblings().iter().map(Sibling::dot).max().expect("a row has a version");
        let next = Dot { site: vectr_delta::SiteId::new(99), seq: 1 };
        let renumbered = both.sibling(newest).unwrap().renumbered(next, both.newest());
        let replaced = both.with_replaced(&[newest], renumbered);
        let joined = replaced.join(&both);
        prop_assert_eq!(&joined, &replaced);
        prop_assert_eq!(joined.siblings().len(), both.siblings().len());
    }
}

fn all(states: &[Row]) -> Row {
    states.iter().skip(1).fold(states[0].clone(), |row, state| row.join(state))
}

fn dots() -> impl Iterator<Item = Dot> {
    let sites = (1..=4).map(vectr_delta::SiteId::new);
    sites.flat_map(|site| (1..=5).map(move |seq| Dot { site, seq }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_crowd_of_versions_leaves_the_same_ones_in_whatever_order_they_meet(seed: u64) {
        let mut draw = Draw::new(seed);
        let count = Row::MAX_SIBLINGS as u64 + draw.below(30) + 1;
        let writes: Vec<Row> = (0..count)
            .map(|number| {
                let dot = Dot { site: SiteId::new(number + 1), seq: draw.below(9) + 1 };
                Row::of_write(draw.sibling(dot, 2), VersionVector::new())
            })
            .collect();
        let expected: Vec<Dot> = {
            let mut all: Vec<&Sibling> = writes.iter().flat_map(Row::siblings).collect();
            all.sort_by_key(|sibling| std::cmp::Reverse(sibling.precedence()));
            let mut kept: Vec<Dot> = all[..Row::MAX_SIBLINGS].iter().map(|sibling| sibling.dot()).collect();
            kept.sort_unstable();
            kept
        };
        for _ in 0..3 {
            // Any two rows meet, until all have met.
            let mut rows = writes.clone();
            while rows.len() > 1 {
                let one = rows.swap_remove(draw.index(rows.len()));
                let at = draw.index(rows.len());
                rows[at] = rows[at].join(&one).within_limit();
            }
            prop_assert_eq!(&rows[0].siblings().iter().map(Sibling::dot).collect::<Vec<_>>(), &expected);
            prop_assert!(writes.iter().all(|write| rows[0].join(write) == rows[0]), "what gave way comes back");
        }
    }
}
