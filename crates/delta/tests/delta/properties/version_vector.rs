use proptest::prelude::*;
use vectr_delta::{Relation, VersionVector};

use crate::support::draw::Draw;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_join_is_the_least_upper_bound(seed: u64) {
        let mut draw = Draw::new(seed);
        let (a, b, c) = (draw.vector(), draw.vector(), draw.vector());
        let both = joined(&a, &b);
        prop_assert!(both.covers_all(&a) && both.covers_all(&b));
        if c.covers_all(&a) && c.covers_all(&b) {
            prop_assert!(c.covers_all(&both));
        }
        prop_assert_eq!(&both, &joined(&b, &a));
        prop_assert_eq!(joined(&both, &c), joined(&a, &joined(&b, &c)));
        prop_assert_eq!(joined(&both, &both), both);
    }

    #[test]
    fn what_covers_a_vector_covers_its_dots(seed: u64) {
        let mut draw = Draw::new(seed);
        let (mut vector, dot, other) = (draw.vector(), draw.dot(), draw.dot());
        prop_assert_eq!(vector.covers(dot), vector.covers_all(&VersionVector::of(dot)));
        let before = vector.covers(other);
        vector.add(dot);
        prop_assert!(vector.covers(dot));
        let after = before || other.site == dot.site && other.seq <= dot.seq;
        prop_assert_eq!(vector.covers(other), after);
        prop_assert!(vector.iter().all(|(_, seq)| seq > 0));
    }

    #[test]
    fn relations_mirror_each_other(seed: u64) {
        let mut draw = Draw::new(seed);
        let a = draw.vector();
        let mut b = if draw.coin() { a.clone() } else { draw.vector() };
        if draw.coin() {
            b.add(draw.dot());
        }
        let mirrored = match b.relation(&a) {
            Relation::Before => Relation::After,
            Relation::After => Relation::Before,
            same => same,
        };
        prop_assert_eq!(a.relation(&b), mirrored);
        prop_assert_eq!(a.relation(&b) == Relation::Equal, a == b);
    }
}

fn joined(a: &VersionVector, b: &VersionVector) -> VersionVector {
    let mut both = a.clone();
    both.join(b);
    both
}
