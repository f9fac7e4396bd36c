//! Conflicts, listed and settled.

mod crowd;
mod histories;
mod ids;

use std::collections::BTreeSet;

use crate::support::cluster::Cluster;
use crate::support::{Wall, assert_sound, described, id, payload, put, shard, shown};
use vectr_core::{StoredConflict, Target, VectrDB};
use vectr_delta::{ConflictId, Dot, LocalWrite, Operation, ShardId, Sibling, Strategy, Timestamp};

/// Nodes that wrote one vector each without knowing of each other, and then synced.
fn divided(count: usize) -> Cluster {
    let cluster = Cluster::new(count);
    for (number, db) in cluster.nodes.iter().enumerate() {
        db.set_strategy(&shard(), Strategy::Manual).unwrap();
        put(db, "same", &[number as f32, 0.5]);
    }
    cluster.settle();
    cluster
}

fn pending(db: &VectrDB) -> StoredConflict {
    let mut conflicts = db.pending_conflicts(Some(&shard())).unwrap();
    assert_eq!(conflicts.len(), 1);
    conflicts.remove(0)
}

fn is_settled(db: &VectrDB) -> bool {
    db.pending_conflicts(None).unwrap().is_empty() && db.conflicts(None).unwrap().is_empty()
}

fn choose(components: &[f32]) -> LocalWrite {
    LocalWrite::Put(payload(components))
}

fn dots(conflict: &StoredConflict) -> BTreeSet<Dot> {
    conflict.row.siblings().iter().map(Sibling::dot).collect()
}

#[test]
fn a_conflict_of_three_has_one_id_and_is_settled_everywhere_by_one_write() {
    let cluster = divided(3);
    let ids: BTreeSet<String> = cluster.nodes.iter().map(|db| pending(db).conflict.to_string()).collect();
    assert_eq!(ids.len(), 1);
    let db = &cluster.nodes[1];
    let conflict = pending(db);
    assert_eq!(conflict.row.siblings().len(), 3);
    assert!(db.get(Target::shard(&shard()), &id("same")).unwrap().unwrap().conflicted);
    let left = db.resolve_conflict(&conflict.conflict, Some((&shard(), &id("same"))), choose(&[9.0, 9.0]));
    assert!(left.unwrap().is_none() && is_settled(db));
    cluster.settle();
    for db in &cluster.nodes {
        let entry = db.get(Target::shard(&shard()), &id("same")).unwrap().unwrap();
        assert!(!entry.conflicted && is_settled(db));
        assert_eq!(shown(db, "same"), Some(vec![9.0, 9.0]));
    }
}

#[test]
fn a_choice_is_stamped_behind_all_that_it_supersedes() {
    let cluster = divided(2);
    let conflict = pending(&cluster.nodes[0]);
    let newest = conflict.row.newest();
    cluster.wall.set(Wall::START - 1_000_000);
    cluster.nodes[0].resolve_conflict(&conflict.conflict, None, choose(&[1.0, 1.0])).unwrap();
    let entry = cluster.nodes[0].get(Target::shard(&shard()), &id("same")).unwrap().unwrap();
    assert!(entry.timestamp > newest);
}

#[test]
fn a_conflict_may_be_settled_by_a_delete() {
    let cluster = divided(3);
    let conflict = pending(&cluster.nodes[2]).conflict;
    assert!(cluster.nodes[2].resolve_conflict(&conflict, None, LocalWrite::Delete).unwrap().is_none());
    cluster.settle();
    for db in &cluster.nodes {
        assert_eq!((shown(db, "same"), db.count(&shard()).unwrap()), (None, 0));
        assert!(is_settled(db));
    }
}

#[test]
fn a_version_that_came_after_the_listing_stays_and_opens_the_conflict_again() {
    let cluster = divided(2);
    let db = &cluster.nodes[0];
    let listed = pending(db);
    // A third one appears between the listing and the choice.
    let late = Cluster::new(1);
    put(&late.nodes[0], "same", &[7.0, 7.0]);
    crate::support::sync::sync(&shard(), (db, 0), (&late.nodes[0], 9), crate::support::cluster::NOW);
    let reopened = pending(db);
    assert_ne!(reopened.conflict, listed.conflict);

    let left = db.resolve_conflict(&listed.conflict, None, choose(&[5.0, 5.0])).unwrap().unwrap();
    assert!(left.conflict != listed.conflict && left.conflict != reopened.conflict);
    assert_eq!(left.row.siblings().len(), 2);
    let kept: Vec<Dot> = dots(&reopened).difference(&dots(&listed)).copied().collect();
    assert!(kept.len() == 1 && left.row.sibling(kept[0]).is_some());
    assert!(dots(&left).is_disjoint(&dots(&listed)));
    let again = pending(db);
    assert_eq!(
        (again.conflict, again.change_id, again.detected_at),
        (left.conflict, left.change_id, left.detected_at)
    );
    assert_eq!(again.names, left.names);

    cluster.settle();
    assert_eq!(pending(&cluster.nodes[1]).conflict, left.conflict);
    cluster.nodes[1].resolve_conflict(&left.conflict, None, choose(&[6.0, 6.0])).unwrap();
    cluster.settle();
    crate::support::sync::sync(&shard(), (db, 0), (&late.nodes[0], 9), crate::support::cluster::NOW);
    for db in cluster.nodes.iter().chain(&late.nodes) {
        assert_eq!(shown(db, "same"), Some(vec![6.0, 6.0]));
        assert!(db.conflicts(None).unwrap().is_empty());
    }
}

#[test]
fn two_nodes_that_choose_at_once_have_a_conflict_of_two_choices() {
    let cluster = divided(3);
    let conflict = pending(&cluster.nodes[0]).conflict;
    cluster.nodes[0].resolve_conflict(&conflict, None, choose(&[1.0, 1.0])).unwrap();
    cluster.nodes[1].resolve_conflict(&conflict, None, choose(&[2.0, 2.0])).unwrap();
    cluster.settle();
    let left = pending(&cluster.nodes[2]);
    assert_eq!(left.row.siblings().len(), 2);
    assert!(left.row.siblings().iter().all(|sibling| sibling.operation() == Operation::Update));
    // The node that only watched knew the first id, none of whose versions stands any more.
    let error = cluster.nodes[2].resolve_conflict(&conflict, None, choose(&[3.0, 3.0])).unwrap_err();
    assert_eq!(error.code(), "ERR_NOT_FOUND");
    cluster.nodes[2].resolve_conflict(&left.conflict, None, choose(&[3.0, 3.0])).unwrap();
    cluster.settle();
    assert!(cluster.nodes.iter().all(|db| is_settled(db) && shown(db, "same") == Some(vec![3.0, 3.0])));
}

#[test]
fn an_ordinary_write_settles_a_conflict_and_its_id() {
    let cluster = divided(2);
    let conflict = pending(&cluster.nodes[0]).conflict;
    put(&cluster.nodes[0], "same", &[4.0, 4.0]);
    let error = cluster.nodes[0].resolve_conflict(&conflict, None, LocalWrite::Delete).unwrap_err();
    assert_eq!(error.code(), "ERR_NOT_FOUND");
    assert!(
        error.to_string().contains(&conflict.to_string()) && error.to_string().contains("list"),
        "{error}"
    );
    assert_eq!(shown(&cluster.nodes[0], "same"), Some(vec![4.0, 4.0]));
}

#[test]
fn a_refused_choice_changes_nothing() {
    let cluster = divided(2);
    let db = &cluster.nodes[0];
    let conflict = pending(db).conflict;
    let state = || (db.digest(&shard()).unwrap(), db.commit_no(), pending(db).conflict, db.shards().unwrap());
    let before = state();
    let unknown: ConflictId = "00000000000000000000000000000000".parse().unwrap();
    let (here, elsewhere) = (shard(), ShardId::new("elsewhere").unwrap());
    let (same, other) = (id("same"), id("other"));
    for (conflict, expected, write, code) in [
        (unknown, None, LocalWrite::Delete, "ERR_NOT_FOUND"),
        (unknown, Some((&here, &same)), LocalWrite::Delete, "ERR_NOT_FOUND"),
        (conflict, Some((&here, &other)), LocalWrite::Delete, "ERR_ARGUMENT"),
        (conflict, Some((&elsewhere, &same)), LocalWrite::Delete, "ERR_ARGUMENT"),
        (conflict, Some((&here, &same)), choose(&[1.0]), "ERR_DIMENSIONS"),
    ] {
        let error = db.resolve_conflict(&conflict, expected, write).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(state(), before);
    }
    assert!(db.resolve_conflict(&conflict, Some((&here, &same)), choose(&[1.0, 2.0])).unwrap().is_none());
}

#[test]
fn a_text_that_is_no_id_is_refused() {
    for text in ["", "12", "g0000000000000000000000000000000", "+0000000000000000000000000000000"] {
        assert_eq!(text.parse::<ConflictId>().unwrap_err().code(), "ERR_ARGUMENT");
    }
    let cluster = divided(2);
    let conflict = pending(&cluster.nodes[0]).conflict;
    assert_eq!(conflict.to_string().parse::<ConflictId>().unwrap(), conflict);
}

#[test]
fn only_shards_with_the_manual_strategy_have_pending_conflicts() {
    let cluster = divided(2);
    let (db, before) = (&cluster.nodes[0], pending(&cluster.nodes[0]));
    for strategy in [Strategy::LastWriteWins, Strategy::FirstWriteWins, Strategy::Merge] {
        db.set_strategy(&shard(), strategy).unwrap();
        assert!(db.pending_conflicts(Some(&shard())).unwrap().is_empty());
        assert!(db.pending_conflicts(None).unwrap().is_empty());
        assert_eq!(db.conflicts(None).unwrap().len(), 1);
    }
    // The versions were kept all along.
    db.set_strategy(&shard(), Strategy::Manual).unwrap();
    let after = pending(db);
    assert_eq!((after.conflict, after.detected_at), (before.conflict, before.detected_at));
    assert_eq!(after.row, before.row);
    assert!(db.pending_conflicts(Some(&ShardId::new("unknown").unwrap())).unwrap().is_empty());
}

#[test]
fn a_conflict_is_settled_under_every_strategy() {
    for strategy in Strategy::ALL {
        let cluster = divided(2);
        let db = &cluster.nodes[0];
        let conflict = pending(db).conflict;
        db.set_strategy(&shard(), strategy).unwrap();
        assert!(db.resolve_conflict(&conflict, None, choose(&[8.0, 8.0])).unwrap().is_none());
        cluster.settle();
        assert!(cluster.nodes.iter().all(|db| is_settled(db) && shown(db, "same") == Some(vec![8.0, 8.0])));
    }
}

#[test]
fn a_conflict_is_dated_by_when_its_versions_first_stood_together() {
    let cluster = divided(2);
    let db = &cluster.nodes[0];
    let first = pending(db);
    assert!(first.detected_at >= Timestamp::from_micros(Wall::START));
    cluster.wall.set(Wall::START + 5_000_000);
    db.upsert(Target::shard(&shard()), &id("unrelated"), described(&[1.0, 1.0], "{}")).unwrap();
    cluster.settle();
    assert_eq!(pending(db).detected_at, first.detected_at);
    let late = Cluster::new(1);
    put(&late.nodes[0], "same", &[7.0, 7.0]);
    crate::support::sync::sync(&shard(), (db, 0), (&late.nodes[0], 9), crate::support::cluster::NOW);
    assert!(pending(db).detected_at >= Timestamp::from_micros(Wall::START + 5_000_000));
    assert_sound(db);
}

#[test]
fn the_same_vector_in_two_shards_has_two_conflicts() {
    let cluster = divided(2);
    let other = ShardId::new("other").unwrap();
    for (number, db) in cluster.nodes.iter().enumerate() {
        db.set_strategy(&other, Strategy::Manual).unwrap();
        db.upsert(Target::shard(&other), &id("same"), payload(&[number as f32, 1.0])).unwrap();
    }
    let [a, b] = [&cluster.nodes[0], &cluster.nodes[1]];
    crate::support::sync::sync(&other, (a, 0), (b, 1), crate::support::cluster::NOW);
    let listed = a.pending_conflicts(None).unwrap();
    assert_eq!(listed.len(), 2);
    assert_ne!(listed[0].conflict, listed[1].conflict);
    let there = listed.iter().find(|conflict| conflict.shard == other).unwrap();
    a.resolve_conflict(&there.conflict, Some((&other, &id("same"))), LocalWrite::Delete).unwrap();
    assert_eq!(pending(a).shard, shard());
    assert_eq!(a.count(&other).unwrap(), 0);
}
