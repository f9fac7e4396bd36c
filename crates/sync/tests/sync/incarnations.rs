//! Restored, copied and badly clocked databases: both lives' writes survive.

use std::path::Path;
use std::sync::atomic::Ordering;

use crate::support::{Node, hand_clock, quick, shard};
use vectr_sync::NetworkConfig;

fn copy_database(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in ["agent.db", "agent.db.key"] {
        let _ = std::fs::copy(from.join(name), to.join(name));
    }
}

async fn reopen(name: &str, folder: tempfile::TempDir) -> Node {
    Node::in_folder(name, folder, quick(), NetworkConfig::default(), None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_that_writes_more_than_it_lost_loses_nothing() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let to_b = b.listen().await;
    a.put("kept", &[1.0], "{}");
    a.synced(&to_b).await;
    let site = a.db.site();
    let folder = a.stop().await;
    let backup = tempfile::tempdir().unwrap();
    copy_database(folder.path(), backup.path());

    let a = reopen("a", folder).await;
    assert_eq!(a.db.site(), site, "a clean restart is the same life");
    for i in 0..5 {
        a.put(&format!("first life {i}"), &[2.0], "{}");
    }
    a.put("kept", &[10.0], "{}");
    a.synced(&to_b).await;
    let folder = a.stop().await;

    copy_database(backup.path(), folder.path());
    let _ = std::fs::remove_file(folder.path().join("agent.db-wal"));
    let a = reopen("a", folder).await;
    assert_ne!(a.db.site(), site, "a restored file is another life");
    for i in 0..12 {
        a.put(&format!("second life {i}"), &[3.0], "{}");
    }
    a.synced(&to_b).await;
    assert_eq!(a.digest(), b.digest());
    assert_eq!(a.db.count(&shard()).unwrap(), 18);
    assert_eq!(a.get("kept").unwrap().vector, b.get("kept").unwrap().vector);
    for i in 0..5 {
        assert!(a.get(&format!("first life {i}")).is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_copies_of_one_file_both_keep_their_writes() {
    let a = Node::new("a");
    a.put("common", &[1.0], "{}");
    let folder = a.stop().await;
    let copy = tempfile::tempdir().unwrap();
    copy_database(folder.path(), copy.path());
    std::fs::remove_file(copy.path().join("agent.db.key")).unwrap();
    let (first, second) = (reopen("a", folder).await, reopen("a", copy).await);
    assert_ne!(first.db.site(), second.db.site());
    for i in 0..10 {
        first.put(&format!("first {i}"), &[1.0], "{}");
        second.put(&format!("second {i}"), &[2.0], "{}");
    }
    first.synced(&second.listen().await).await;
    assert_eq!(first.digest(), second.digest());
    assert_eq!(second.db.count(&shard()).unwrap(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_an_hour_ahead_blocks_nothing_and_heals_once_it_is_right() {
    const NOW: u64 = 1_700_000_000_000_000;
    const HOUR: u64 = 3_600_000_000;
    let (hand, clock) = hand_clock(NOW + HOUR);
    let folder = tempfile::tempdir().unwrap();
    let a = Node::in_folder("a", folder, quick(), NetworkConfig::default(), Some(clock));
    let (_, clock) = hand_clock(NOW);
    let folder = tempfile::tempdir().unwrap();
    let b = Node::in_folder("b", folder, quick(), NetworkConfig::default(), Some(clock));
    let to_b = b.listen().await;
    a.put("from the future", &[1.0], "{}");
    b.put("from now", &[2.0], "{}");
    let result = a.synced(&to_b).await;
    assert!(result.warnings.iter().any(|text| text.contains("ERR_CLOCK_SKEW")), "{:?}", result.warnings);
    assert!(b.get("from the future").is_none());
    assert!(a.get("from now").is_some());

    hand.store(NOW, Ordering::SeqCst);
    a.synced(&to_b).await;
    assert!(b.get("from the future").is_some());
    assert_eq!(a.digest(), b.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_in_use_opens_as_a_new_incarnation() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let to_b = b.listen().await;
    a.put("v", &[1.0], "{}");
    let copy = tempfile::tempdir().unwrap();
    a.db.backup(&copy.path().join("agent.db")).unwrap();
    a.put("w", &[2.0], "{}");
    a.synced(&to_b).await;
    let restored = reopen("a", copy).await;
    assert_ne!(restored.db.site(), a.db.site());
    restored.put("x", &[3.0], "{}");
    restored.synced(&to_b).await;
    a.synced(&to_b).await;
    assert_eq!(restored.db.count(&shard()).unwrap(), 3);
    assert_eq!(a.digest(), b.digest());
}
