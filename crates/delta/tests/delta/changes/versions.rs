//! Version vectors with text keys, compared with maps.

use std::collections::BTreeMap;

use proptest::prelude::*;
use vectr_delta::changes::{increment_version, join_versions, relate_versions};

use crate::support::draw::Draw;

type Vector = BTreeMap<String, u64>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_version_vector_maps_each_key_to_its_greatest_number(seed: u64) {
        let mut draw = Draw::new(seed);
        let (a, b) = (vector(&mut draw), vector(&mut draw));
        let (text, numbers) = flat(&a, &b);
        let (covers, covered) = (covers_all(&a, &b), covers_all(&b, &a));
        let expected = match (covers, covered) {
            (true, true) => 0,
            (false, true) => 1,
            (true, false) => 2,
            (false, false) => 3,
        };
        prop_assert_eq!(relate_versions(&text, &numbers).unwrap(), expected);
        let joined = read(&text, &join_versions(&text, &numbers).unwrap());
        prop_assert!(covers_all(&joined, &a) && covers_all(&joined, &b));
        let keys: Vec<&String> = a.keys().chain(b.keys()).collect();
        prop_assert!(joined.iter().all(|(key, seq)| keys.contains(&key) && at(&a, key).max(at(&b, key)) == *seq));
    }

    #[test]
    fn incrementing_adds_one_to_one_key(seed: u64) {
        let mut draw = Draw::new(seed);
        let a = vector(&mut draw);
        let (text, numbers) = flat(&a, &Vector::new());
        let own = KEYS[draw.index(KEYS.len())];
        let text = if a.is_empty() { own.to_owned() } else { format!("{text}\n{own}") };
        let next = read(&text, &increment_version(&text, &numbers).unwrap());
        let mut expected = a.clone();
        expected.insert(own.into(), at(&a, own) + 1);
        prop_assert_eq!(next, expected);
    }
}

#[test]
fn names_of_one_site_are_one_key() {
    let text = "old@0000000000000007\nnew@0000000000000007";
    assert_eq!(relate_versions(text, &[1.0, 1.0, 3.0, 3.0]).unwrap(), 0);
    assert_eq!(join_versions(text, &[1.0, 1.0, 3.0, 4.0]).unwrap(), [1.0, 4.0]);
    assert_eq!(increment_version(text, &[1.0, 0.0, 3.0]).unwrap(), [1.0, 4.0]);
}

#[test]
fn invalid_version_vectors_are_refused() {
    for (text, numbers) in [
        ("", &[] as &[f64]),
        ("a", &[0.0, 0.0]),
        ("", &[1.0, 0.0, 1.0]),
        ("a", &[1.0, 0.0, 0.5]),
        ("a\u{1}", &[1.0, 0.0, 1.0]),
        ("a", &[1.0, -1.0, 1.0]),
    ] {
        assert_eq!(relate_versions(text, numbers).unwrap_err().code(), "ERR_ARGUMENT", "{text} {numbers:?}");
    }
    let most = [1.0, 0.0, 9_007_199_254_740_991.0];
    assert_eq!(increment_version("a\na", &most).unwrap_err().code(), "ERR_ARGUMENT");
}

const KEYS: [&str; 5] = ["a@0000000000000001", "b@0000000000000002", "laptop", "0", "é"];

fn vector(draw: &mut Draw) -> Vector {
    (0..draw.below(5)).map(|_| (KEYS[draw.index(KEYS.len())].to_owned(), draw.below(4))).collect()
}

fn flat(a: &Vector, b: &Vector) -> (String, Vec<f64>) {
    let keys: Vec<&str> = a.keys().chain(b.keys()).map(String::as_str).collect();
    let seqs = a.values().chain(b.values()).map(|seq| *seq as f64);
    (keys.join("\n"), [a.len() as f64, b.len() as f64].into_iter().chain(seqs).collect())
}

fn read(text: &str, pairs: &[f64]) -> Vector {
    let lines: Vec<&str> = text.split('\n').collect();
    pairs.chunks_exact(2).map(|pair| (lines[pair[0] as usize].to_owned(), pair[1] as u64)).collect()
}

fn at(vector: &Vector, key: &str) -> u64 {
    vector.get(key).copied().unwrap_or_default()
}

fn covers_all(one: &Vector, other: &Vector) -> bool {
    other.iter().all(|(key, seq)| at(one, key) >= *seq)
}
