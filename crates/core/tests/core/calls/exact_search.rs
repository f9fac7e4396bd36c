//! Search gives what computing every score in f64 gives, whatever the components are.

use crate::support::{Draw, both, delete, id, put, shard};
use vectr_core::{Hit, Metric, Search, VectrDB};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Euclidean, Metric::Dot];

/// Ids and scores by the documentation, with nothing but sums in f64.
fn reference(vectors: &[(String, Vec<f32>)], search: &Search) -> Vec<(String, f64, f64)> {
    let sum = |vector: &[f32], term: fn(f64, f64) -> f64| {
        let mut sum = 0.0;
        for (q, v) in search.query.iter().zip(vector) {
            sum += term(f64::from(*q), f64::from(*v));
        }
        sum
    };
    let score = |vector: &[f32]| match search.metric {
        Metric::Cosine => {
            let norms = (sum(&search.query, |_, v| v * v) * sum(vector, |_, v| v * v)).sqrt();
            let cosine = if norms == 0.0 { 0.0 } else { sum(vector, |q, v| q * v) / norms };
            let similarity = cosine.clamp(-1.0, 1.0);
            (-similarity, 1.0 - similarity, similarity)
        }
        Metric::Euclidean => {
            let distance = sum(vector, |q, v| (q - v) * (q - v)).sqrt();
            (distance, distance, 1.0 / (1.0 + distance))
        }
        Metric::Dot => {
            let product = sum(vector, |q, v| q * v);
            (-product, -product, product)
        }
    };
    let mut scored: Vec<_> = vectors.iter().map(|(id, vector)| (score(vector), id)).collect();
    scored.retain(|((_, _, similarity), _)| search.threshold.is_none_or(|least| *similarity >= least));
    scored.sort_by(|(one, a), (other, b)| {
        one.0.partial_cmp(&other.0).unwrap().then_with(|| a.as_bytes().cmp(b.as_bytes()))
    });
    scored.truncate(search.k);
    scored.into_iter().map(|((_, distance, similarity), id)| (id.clone(), distance, similarity)).collect()
}

fn found(db: &VectrDB, search: &Search) -> Vec<(String, f64, f64)> {
    let hits = db.search(search).unwrap();
    hits.iter().map(|Hit { id, distance, similarity, .. }| (id.to_string(), *distance, *similarity)).collect()
}

fn first(db: &VectrDB, query: &[f32], metric: Metric) -> (String, f64, f64) {
    found(db, Search::new(shard(), query.to_vec()).metric(metric)).remove(0)
}

/// A component that is hard on sums in f32: of any size, subnormal, the greatest, zero of either sign, or close to
/// another one.
fn component(draw: &mut Draw, kind: usize) -> f32 {
    let bits = |draw: &mut Draw, exponent: usize| {
        let (sign, digits) = (draw.below(2) as u32, draw.below(1 << 23) as u32);
        f32::from_bits(sign << 31 | (exponent as u32) << 23 | digits)
    };
    match kind {
        0 => bits(draw, 120 + draw.0 as usize % 8),
        1 => {
            let exponent = draw.below(255);
            bits(draw, exponent)
        }
        2 => bits(draw, 0),
        3 => [f32::MAX, f32::MIN, 1.0, -0.0, 0.0, f32::MIN_POSITIVE][draw.below(6)],
        4 => 1.0 + draw.below(4) as f32 * f32::EPSILON,
        _ => draw.below(3) as f32 - 1.0,
    }
}

#[test]
fn search_equals_a_scan_in_f64_for_any_components() {
    let seed = 0x5eed;
    println!("seed {seed:#x}");
    let mut draw = Draw(seed);
    for round in 0..60 {
        let db = VectrDB::builder().shard(shard()).open().unwrap();
        let dimensions = [1, 2, 3, 15, 16, 17, 33, 100][draw.below(8)];
        let kind = round % 7;
        let mut vectors: Vec<(String, Vec<f32>)> = Vec::new();
        for number in 0..200 {
            let kind = if kind == 6 { draw.below(6) } else { kind };
            let mut vector: Vec<f32> = (0..dimensions).map(|_| component(&mut draw, kind)).collect();
            if number > 0 && draw.below(3) == 0 {
                // Equal to another one, or next to it.
                vector.clone_from(&vectors[draw.below(number)].1);
                let at = draw.below(dimensions);
                vector[at] = [vector[at], f32::from_bits(vector[at].to_bits() ^ 1)][draw.below(2)];
            }
            // Its place in the order of ids has nothing to do with its place in the file.
            let name = format!("{:02x}-é{number}", draw.below(256));
            put(&db, &name, &vector);
            vectors.push((name, vector));
        }
        for metric in METRICS {
            for _ in 0..6 {
                let query = match draw.below(3) {
                    0 => vec![0.0; dimensions],
                    1 => (0..dimensions).map(|_| component(&mut draw, kind.min(5))).collect(),
                    _ => vectors[draw.below(200)].1.clone(),
                };
                let mut search = Search::new(shard(), query);
                search.metric(metric).k([1, 5, 50, 500][draw.below(4)]);
                let expected = reference(&vectors, &search);
                assert_eq!(found(&db, &search), expected, "seed {seed:#x} round {round} {metric:?}");
                // A threshold that is some vector's score takes that vector in.
                if let Some((_, _, similarity)) = expected.last() {
                    search.k(500).threshold(*similarity);
                    assert_eq!(found(&db, &search), reference(&vectors, &search), "round {round} {metric:?}");
                }
            }
        }
    }
}

#[test]
fn a_vector_is_exactly_similar_to_itself_and_above_any_threshold() {
    both(|db| {
        let mut draw = Draw(7);
        for number in 0..200 {
            let vector: Vec<f32> = (0..384).map(|_| draw.below(1 << 20) as f32 / 1e6 - 0.5).collect();
            put(db, &number.to_string(), &vector);
            let mut search = Search::new(shard(), vector);
            let hit = db.search(search.k(1).threshold(1.0)).unwrap().first().cloned().unwrap();
            assert_eq!((&*hit.id, hit.similarity, hit.distance), (&*number.to_string(), 1.0, 0.0));
        }
    });
}

// Sums in f32 gave 8, 0 and 0, and angles without digits.
#[test]
fn large_and_tiny_components_keep_their_scores() {
    both(|db| {
        put(db, "ten", &[1e8, 10.0, -1e8, 0.0]);
        put(db, "one", &[1e8, 1.0, -1e8, 0.0]);
        put(db, "three", &[1e8, 3.0, -1e8, 0.0]);
        let hits = found(db, Search::new(shard(), vec![1.0; 4]).metric(Metric::Dot));
        let expected = [("ten", 10.0), ("three", 3.0), ("one", 1.0)];
        assert_eq!(hits, expected.map(|(id, product)| (id.to_owned(), -product, product)));
    });
    both(|db| {
        put(db, "same", &[2e-15, 2e-15]);
        put(db, "other", &[2e-15, -1e-15]);
        assert_eq!(first(db, &[1e-32, 1e-32], Metric::Cosine), ("same".to_owned(), 0.0, 1.0));
        assert_eq!(first(db, &[f32::MAX, f32::MAX], Metric::Cosine), ("same".to_owned(), 0.0, 1.0));
    });
    both(|db| {
        put(db, "a", &[9e-24, 0.0]);
        put(db, "z", &[3e-24, 0.0]);
        let (nearest, distance, _) = first(db, &[0.0, 0.0], Metric::Euclidean);
        assert_eq!((&*nearest, distance), ("z", f64::from(3e-24_f32)));
        put(db, "far", &[f32::MAX, f32::MAX]);
        let (_, _, similarity) = first(db, &[f32::MAX, 0.0], Metric::Dot);
        assert_eq!(similarity, f64::from(f32::MAX) * f64::from(f32::MAX));
    });
}

#[test]
fn equally_near_vectors_are_in_the_order_of_their_ids_bytes() {
    both(|db| {
        let names = ["z", "é", "a", "B", "aa", "😀", "\u{ffff}", "0"];
        for (number, name) in names.iter().enumerate() {
            put(db, name, &[[1.0, 0.0], [-0.0, 0.0]][number % 2]);
        }
        delete(db, "0");
        for (query, metric) in
            [([0.0, 1.0], Metric::Dot), ([0.0, 0.0], Metric::Cosine), ([0.0, -3.0], Metric::Cosine)]
        {
            let mut search = Search::new(shard(), query.to_vec());
            for k in 1..8 {
                let ids: Vec<_> =
                    found(db, search.metric(metric).k(k)).into_iter().map(|hit| hit.0).collect();
                assert_eq!(ids, ["B", "a", "aa", "z", "é", "\u{ffff}", "😀"][..k.min(7)], "{metric:?}");
            }
        }
        assert_eq!(db.iterate(&shard(), false).unwrap().next_page(1).unwrap()[0].id, id("B"));
    });
}
