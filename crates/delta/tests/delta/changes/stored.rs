//! The rows of a database survive the conversion to a delta and back.

use std::collections::BTreeMap;

use vectr_delta::changes::{
    Compression, DeltaBudget, StoredChange, decode, decode_rows, encode, encode_rows, resolve_deltas,
};
use vectr_delta::{
    Dot, Metadata, NodeName, Payload, Row, ShardId, Sibling, SiteId, Strategy, Timestamp, VectorId,
    VectorRow, VersionVector,
};

use super::model::Delta;
use crate::support::draw::Draw;
use crate::support::history;

const CASES: u64 = 400;

fn shard() -> ShardId {
    ShardId::new("notes").unwrap()
}

fn names() -> BTreeMap<SiteId, NodeName> {
    // A name that looks like a site, and two nodes with the same name.
    let named = [(1, "a"), (2, "x@00000000000000ff"), (3, "a"), (u64::MAX - 1, "é")];
    named.into_iter().map(|(site, name)| (SiteId::new(site), NodeName::new(name).unwrap())).collect()
}

fn stored(rows: Vec<Row>) -> Vec<StoredChange> {
    let entry = |at: usize, row| VectorRow { id: VectorId::new(&format!("v{at:03}")).unwrap(), row };
    let change = |(at, row)| StoredChange { change_id: 7 + at as u64, entry: entry(at, row) };
    rows.into_iter().enumerate().map(change).collect()
}

fn bytes(rows: &[StoredChange]) -> Vec<u8> {
    encode_rows(&shard(), rows, &names(), Timestamp::from_micros(123)).unwrap()
}

fn rows_of(bytes: &[u8]) -> Vec<VectorRow> {
    decode_rows(bytes).unwrap().rows
}

/// A row as a database may hold it, with a consistent or an inconsistent history.
fn draw_row(draw: &mut Draw) -> Row {
    if draw.coin() { draw.any_row(5) } else { history::rows(draw).pop().unwrap() }
}

#[test]
fn decoded_rows_equal_the_encoded_ones() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed);
        let count = draw.index(5);
        let rows = stored((0..count).map(|_| draw_row(&mut draw)).collect());
        let sent = bytes(&rows);
        let read = decode_rows(&sent).unwrap();
        let expected: Vec<&VectorRow> = rows.iter().map(|stored| &stored.entry).collect();
        assert_eq!(read.rows.iter().collect::<Vec<_>>(), expected, "seed {seed}");
        assert_eq!(read.shard, shard());
        for (site, name) in &read.names {
            assert_eq!(names().get(site), Some(name), "seed {seed}");
        }
        let decoded = decode(&sent).unwrap();
        assert_eq!(decoded.numbers[5], 123.0);
        assert!(rows.iter().all(|row| read.shows(&row.entry)), "seed {seed}");
    }
}

#[test]
fn moving_rows_to_another_shard_and_back_restores_their_sites() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed);
        let rows = stored(vec![draw_row(&mut draw), draw_row(&mut draw)]);
        let (here, there) = (decode_rows(&bytes(&rows)).unwrap(), ShardId::new("other").unwrap());
        let moved = here.clone().moved_to(&there);
        assert_eq!(moved.shard, there);
        let sites = |rows: &[VectorRow]| -> Vec<SiteId> {
            rows.iter().flat_map(|entry| entry.row.context().iter().map(|(site, _)| site)).collect()
        };
        assert!(sites(&moved.rows).iter().all(|site| !sites(&here.rows).contains(site)), "seed {seed}");
        let third = ShardId::new("third").unwrap();
        let back = moved.moved_to(&third).moved_to(&shard());
        assert_eq!((back.rows, back.names), (here.rows, here.names), "seed {seed}");
    }
}

#[test]
fn a_part_of_a_row_supersedes_none_of_its_siblings() {
    let (mut refused, mut taken) = (0, 0);
    for seed in 0..CASES {
        let mut draw = Draw::new(seed);
        let row = draw.any_row(5);
        let sent = bytes(&stored(vec![row.clone()]));
        let whole = Delta::from_flat(decode(&sent).unwrap().borrowed());
        let sites = |sibling: &Sibling| sibling.dot().site;
        let crowded =
            |site: SiteId| row.siblings().iter().filter(|sibling| sites(sibling) == site).count() > 1;
        for (change, sibling) in whole.changes.iter().zip(row.siblings()) {
            let part =
                encode(Delta::of(vec![change.clone()]).flat().borrowed(), Compression::None, None).unwrap();
            match decode_rows(&part) {
                Ok(part) => {
                    assert_eq!(row.join(&part.rows[0].row), row, "seed {seed}");
                    assert_eq!(part.rows[0].row.siblings(), std::slice::from_ref(sibling), "seed {seed}");
                    taken += 1;
                }
                Err(error) => {
                    assert_eq!(error.code(), "ERR_PROTOCOL", "seed {seed}");
                    assert!(crowded(sites(sibling)), "seed {seed}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 50 && taken > 50, "{refused} {taken}");
}

#[test]
fn siblings_of_one_site_cannot_be_separated() {
    // Site 1 has three siblings, and site 2 has superseded a later version of site 1.
    let put = |site: u64, seq: u64| {
        let dot = Dot { site: SiteId::new(site), seq };
        Sibling::put(dot, Timestamp::from_micros(5), false, Payload::from_components(&[1.0], None).unwrap())
    };
    let context: VersionVector = [(SiteId::new(1), 9)].into_iter().collect();
    let row = Row::new(vec![put(1, 2), put(1, 4), put(1, 6), put(2, 1)], context).unwrap();
    let sent = bytes(&stored(vec![row.clone()]));
    assert_eq!(rows_of(&sent)[0].row, row);
    let all = vec![put(1, 2), put(1, 4), put(1, 6), put(1, 9)];
    let held = Row::new(all, VersionVector::new()).unwrap();
    assert_eq!(held.join(&rows_of(&sent)[0].row).siblings(), row.siblings());
    let whole = Delta::from_flat(decode(&sent).unwrap().borrowed());
    for missing in 0..3 {
        let mut parted = whole.clone();
        parted.changes.remove(missing);
        let parted = encode(parted.flat().borrowed(), Compression::None, None).unwrap();
        assert_eq!(decode_rows(&parted).unwrap_err().code(), "ERR_PROTOCOL", "without {missing}");
    }
    // The version of the other site can be separated from them and sent alone.
    for kept in [0..3, 3..4] {
        let parted = Delta::of(whole.changes[kept].to_vec());
        let parted = encode(parted.flat().borrowed(), Compression::None, None).unwrap();
        assert_eq!(row.join(&rows_of(&parted)[0].row), row);
    }
    // Their merge supersedes them, and the later version as well.
    let merged = resolve_deltas(&sent, &sent, Strategy::Merge).unwrap();
    let merged = &rows_of(&merged)[0].row;
    assert_eq!((merged.siblings().len(), &row.join(merged), &held.join(merged)), (1, merged, merged));
}

#[test]
fn a_delta_that_no_database_made_is_refused() {
    let mut draw = Draw::new(1);
    let sent = bytes(&stored(vec![Row::of_write(draw.sibling(draw_dot(), 2), VersionVector::new())]));
    let whole = Delta::from_flat(decode(&sent).unwrap().borrowed());
    let refused = |change: &dyn Fn(&mut Delta)| {
        let mut altered = whole.clone();
        change(&mut altered);
        let bytes = encode(altered.flat().borrowed(), Compression::None, None).unwrap();
        decode_rows(&bytes).unwrap_err()
    };
    let hand_made = refused(&|delta| {
        let change = &mut delta.changes[0];
        (change.dot, change.source) = (None, "node-1".into());
        change.history = vec![("node-1".into(), 1)];
    });
    assert_eq!(hand_made.code(), "ERR_ARGUMENT");
    assert!(hand_made.to_string().contains("'node-1' names no site"), "{hand_made}");
    for key in ["standing:", "standing:00000000000000ff", "standing:xyz:2", "standing:00000000000000ff:-1"] {
        assert_eq!(
            refused(&|delta| delta.changes[0].history.push((key.into(), 9))).code(),
            "ERR_ARGUMENT",
            "{key}"
        );
    }
    let described = refused(&|delta| {
        let change = &mut delta.changes[0];
        (change.operation, change.metadata) = (3, Some("{}".into()));
        change.vector.clear();
    });
    assert_eq!(described.code(), "ERR_PROTOCOL");
    let empty = refused(&|delta| {
        let change = &mut delta.changes[0];
        (change.operation, change.metadata) = (1, None);
        change.vector.clear();
    });
    assert_eq!(empty.code(), "ERR_DIMENSIONS");
}

fn draw_dot() -> Dot {
    Dot { site: SiteId::new(1), seq: 1 }
}

#[test]
fn rows_within_the_budget_are_encoded() {
    let vector = vec![1.0; 65_536];
    let metadata = Metadata::new(&format!(r#"{{"text":"{}"}}"#, "x".repeat(262_000))).unwrap();
    let payload = Payload::from_components(&vector, Some(metadata)).unwrap();
    let row = |seq: u64| {
        let dot = Dot { site: SiteId::new(seq), seq };
        Row::of_write(
            Sibling::put(dot, Timestamp::from_micros(5), false, payload.clone()),
            VersionVector::new(),
        )
    };
    let rows = stored((1..200).map(row).collect());
    let mut budget = DeltaBudget::default();
    let taken = rows.iter().take_while(|stored| budget.take(&stored.entry)).count();
    assert!((100..150).contains(&taken), "{taken}");
    bytes(&rows[..taken]);
    let error = encode_rows(&shard(), &rows, &names(), Timestamp::default()).unwrap_err();
    assert_eq!(error.code(), "ERR_LIMIT");

    let tiny = |seq: u64| {
        Row::of_write(
            Sibling::tombstone(Dot { site: SiteId::new(1), seq }, Timestamp::default()),
            VersionVector::new(),
        )
    };
    let many = stored((1..=65_537).map(tiny).collect());
    let mut budget = DeltaBudget::default();
    assert_eq!(many.iter().take_while(|stored| budget.take(&stored.entry)).count(), 65_536);
    bytes(&many[..65_536]);
}

#[test]
fn forged_deltas_are_read_or_refused_without_a_panic() {
    let (mut read, mut refused) = (0, 0);
    for seed in 0..CASES * 5 {
        let mut draw = Draw::new(seed);
        let rows = stored((0..draw.index(3) + 1).map(|_| draw_row(&mut draw)).collect());
        let sent = bytes(&rows);
        let mut lying = Delta::from_flat(decode(&sent).unwrap().borrowed());
        for _ in 0..draw.index(6) {
            lie(&mut draw, &mut lying);
        }
        let Ok(sent) = encode(lying.flat().borrowed(), Compression::None, None) else { continue };
        match decode_rows(&sent) {
            Ok(delta) => {
                let moved = delta.clone().moved_to(&ShardId::new("other").unwrap());
                for (entry, moved) in delta.rows.iter().zip(&moved.rows) {
                    assert!(
                        entry.row.siblings().iter().all(|sibling| entry.row.context().covers(sibling.dot()))
                    );
                    assert_eq!(entry.row.siblings().len(), moved.row.siblings().len());
                    assert_eq!(entry.row.join(&entry.row), entry.row, "seed {seed}");
                }
                read += 1;
            }
            Err(error) => {
                assert!(
                    ["ERR_PROTOCOL", "ERR_ARGUMENT", "ERR_DIMENSIONS"].contains(&error.code()),
                    "seed {seed}: {error}"
                );
                refused += 1;
            }
        }
    }
    assert!(read > 100 && refused > 100, "{read} {refused}");
}

fn lie(draw: &mut Draw, delta: &mut Delta) {
    let (from, at) = (draw.index(delta.changes.len()), draw.index(delta.changes.len()));
    let other = delta.changes[from].clone();
    let site = draw.site().to_string();
    let change = &mut delta.changes[at];
    match draw.below(9) {
        0 => change.vector_id = other.vector_id,
        1 => change.dot = other.dot,
        2 => change.dot = Some((site, draw.below(20) + 1)),
        3 => change.history = other.history,
        4 => change.history.clear(),
        5 => change.history.push((format!("standing:{site}:{}", draw.below(4)), draw.below(20))),
        6 => change.operation = draw.below(3) as u8 + 1,
        7 => change.source = "anyone".into(),
        _ => delta.changes.push(other),
    }
}

#[test]
fn too_many_versions_of_a_row_are_refused() {
    let sibling =
        |site: u64| Sibling::tombstone(Dot { site: SiteId::new(site), seq: 1 }, Timestamp::default());
    let row = |count: u64| Row::new((1..=count).map(sibling).collect(), VersionVector::new()).unwrap();
    assert_eq!(rows_of(&bytes(&stored(vec![row(100)])))[0].row, row(100));
    assert_eq!(decode_rows(&bytes(&stored(vec![row(101)]))).unwrap_err().code(), "ERR_LIMIT");
}
