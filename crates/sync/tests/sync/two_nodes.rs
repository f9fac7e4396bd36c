//! Two engines, real files, real QUIC.

use crate::support::{Node, at, config, id, payload, quick, shard, strategy};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vectr_core::{Config, VectrDB};
use vectr_delta::{NodeName, ShardId, Strategy};
use vectr_sync::{CancellationSource, NetworkConfig, QuicSync, SyncEngine, SyncOptions};

#[tokio::test(flavor = "multi_thread")]
async fn both_directions_travel_in_one_sync() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    for i in 0..500 {
        a.put(&format!("a{i}"), &[i as f32, 1.0], r#"{"from":"a"}"#);
        b.put(&format!("b{i}"), &[i as f32, 2.0], r#"{"from":"b"}"#);
    }
    let result = a.synced(&b.listen().await).await;
    assert_eq!((result.changes_sent, result.changes_applied, result.attempts), (500, 500, 1));
    assert!(result.bytes_sent > 500 * 8 && result.bytes_received > 500 * 8);
    assert_eq!(a.digest(), b.digest());
    assert_eq!(b.get("a7").unwrap().metadata.unwrap().as_str(), r#"{"from":"a"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sync_sends_only_what_is_new() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let address = b.listen().await;
    for i in 0..100 {
        a.put(&format!("v{i}"), &[i as f32], "{}");
    }
    assert_eq!(a.synced(&address).await.changes_sent, 100);
    assert_eq!(a.synced(&address).await.changes_sent, 0);
    a.put("v7", &[70.0], "{}");
    a.db.delete(at(&shard()), &id("v8")).unwrap();
    assert_eq!(a.synced(&address).await.changes_sent, 2);
    assert!(b.get("v8").is_none());
    assert_eq!(a.digest(), b.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn force_reads_the_changelog_again_and_changes_nothing() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    b.put("v", &[1.0], "{}");
    let address = b.listen().await;
    a.synced(&address).await;
    let mut options = SyncOptions::default();
    options.force();
    let result = a.engine.sync(&shard(), &address, options).await.unwrap();
    assert_eq!((result.failure, result.changes_applied), (None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn relayed_changes_arrive_and_do_not_come_back() {
    let (a, b, c) = (Node::new("a"), Node::new("b"), Node::new("c"));
    a.put("v", &[1.0, 2.0], "{}");
    let (to_b, to_c) = (b.listen().await, c.listen().await);
    a.synced(&to_b).await;
    assert_eq!(b.synced(&to_c).await.changes_sent, 1);
    assert_eq!(a.synced(&to_c).await.changes_sent, 0);
    assert_eq!(c.get("v").unwrap().vector, a.get("v").unwrap().vector);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_shards_share_one_connection() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let address = b.listen().await;
    let shards: Vec<ShardId> = (0..20).map(|i| ShardId::new(&format!("s{i}")).unwrap()).collect();
    for (i, shard) in shards.iter().enumerate() {
        let node = if i % 2 == 0 { &a } else { &b };
        node.db.upsert(at(shard), &id("v"), payload(&[i as f32], "{}")).unwrap();
    }
    let syncs = shards.iter().map(|shard| {
        let (engine, shard, address) = (a.engine.clone(), shard.clone(), address.clone());
        tokio::spawn(async move { engine.sync(&shard, &address, SyncOptions::default()).await.unwrap() })
    });
    for sync in syncs.collect::<Vec<_>>() {
        assert_eq!(sync.await.unwrap().failure, None);
    }
    for shard in &shards {
        assert_eq!(a.db.digest(shard).unwrap(), b.db.digest(shard).unwrap());
        assert_eq!(b.db.count(shard).unwrap(), 1);
    }
    assert_eq!(a.engine.statistics().created, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_as_initiator_at_the_same_moment_converge() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let (to_a, to_b) = (a.listen().await, b.listen().await);
    for round in 0..50 {
        a.put(&format!("a{round}"), &[1.0], "{}");
        b.put("shared", &[round as f32], "{}");
        let (first, second) = tokio::join!(a.sync(&to_b), b.sync(&to_a));
        assert_eq!((first.failure, second.failure), (None, None));
    }
    a.synced(&to_b).await;
    assert_eq!(a.digest(), b.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_of_other_dimensions_are_refused_with_both_numbers() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    a.put("v", &[1.0, 2.0], "{}");
    b.put("w", &[1.0, 2.0, 3.0], "{}");
    let failure = a.sync(&b.listen().await).await.failure.unwrap();
    assert_eq!(failure.code, "ERR_DIMENSIONS");
    assert!(failure.message.contains('2') && failure.message.contains('3'), "{}", failure.message);
    assert!(b.get("v").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_shard_beside_full_ones_is_warned_about() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    a.put("v", &[1.0], "{}");
    let mistyped = ShardId::new("shard-l").unwrap();
    let result = a.engine.sync(&mistyped, &b.listen().await, SyncOptions::default()).await.unwrap();
    assert!(result.warnings.iter().any(|warning| warning.contains("shard-1")), "{:?}", result.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_port_is_tried_as_often_as_configured() {
    let mut config = quick();
    config.max_retries(2);
    let mut network = NetworkConfig::default();
    network.endpoint.connect_timeout = Duration::from_millis(200);
    let a = Node::with("a", config, network);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let result = a.sync(&socket.local_addr().unwrap().to_string()).await;
    assert_eq!(result.failure.unwrap().code, "ERR_PEER_UNREACHABLE");
    assert_eq!(result.attempts, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_address_is_a_result_not_a_retry() {
    let a = Node::with("a", quick().max_retries(3).clone(), NetworkConfig::default());
    let result = a.sync("no:such:address:at:all").await;
    assert_eq!((result.failure.unwrap().code.as_str(), result.attempts), ("ERR_ARGUMENT", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_sync_keeps_what_was_applied_and_resumes() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    for chunk in 0..20 {
        let entries = (0..500).map(|i| {
            let vector = vec![i as f32; 384];
            (Some(id(&format!("v{chunk}-{i}"))), payload(&vector, "{}"))
        });
        b.db.insert_batch(at(&shard()), entries.collect()).unwrap();
    }
    let address = b.listen().await;
    let cancel = CancellationSource::new();
    let (stop, seen) = (cancel.clone(), Arc::new(AtomicU64::new(0)));
    let last = Arc::clone(&seen);
    let mut options = SyncOptions::default();
    options.abort(cancel.token()).progress(move |progress| {
        last.store(progress.received, Ordering::SeqCst);
        if progress.received > 1_000 {
            stop.cancel();
        }
    });
    let error = a.engine.sync(&shard(), &address, options).await.unwrap_err();
    assert_eq!(error.code(), "ERR_ABORTED");
    let rest = a.synced(&address).await;
    assert!(rest.changes_applied + seen.load(Ordering::SeqCst) <= 10_000, "{rest:?}");
    assert_eq!(a.digest(), b.digest());
}

// The result of a sync that its caller's time limit ended said that nothing was done.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_whose_time_is_up_counts_what_it_did() {
    let b = Node::new("b");
    for chunk in 0..20 {
        let entries =
            (0..500).map(|i| (Some(id(&format!("v{chunk}-{i}"))), payload(&vec![i as f32; 384], "{}")));
        b.db.insert_batch(at(&shard()), entries.collect()).unwrap();
    }
    let address = b.listen().await;
    // A time that is too short for anything says nothing.
    for exponent in 0.. {
        let a = Node::new("a");
        let (db, paused) = (a.db.clone(), Arc::new(AtomicU64::new(0)));
        let seen = Arc::clone(&paused);
        let mut options = SyncOptions::default();
        options.timeout(Duration::from_millis(250 << exponent)).progress(move |progress| {
            // Nothing more is applied while the transaction is open.
            if progress.received > 0 && seen.swap(1, Ordering::SeqCst) == 0 {
                db.begin().unwrap();
            }
        });
        let result = a.engine.sync(&shard(), &address, options).await.unwrap();
        if paused.load(Ordering::SeqCst) == 0 {
            continue;
        }
        assert_eq!(result.failure.as_ref().unwrap().code, "ERR_TIMEOUT", "{result:?}");
        let (applied, held) = (result.changes_applied, a.db.count(&shard()).unwrap());
        assert!(0 < applied && applied <= held && held < 10_000, "{applied} of {held}");
        assert!(result.changes_received >= applied && result.bytes_received > 0 && result.attempts == 1);
        return;
    }
}

// It waited for the database, as long as other writes do.
#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_holds_beside_an_open_transaction() {
    let b = Node::new("b");
    let address = b.listen().await;
    for sync in [strategy(Strategy::Manual), quick()] {
        for file in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let mut config = if file { config(folder.path()) } else { Config::default() };
            config.shard(shard()).busy_timeout(Duration::from_secs(3_600));
            let db = VectrDB::new(config).unwrap();
            let (name, network) = (NodeName::new("a").unwrap(), NetworkConfig::default());
            let engine = SyncEngine::new(db.clone(), name, sync.clone(), network).unwrap();
            let open = db.begin().unwrap();
            let mut options = SyncOptions::default();
            options.timeout(Duration::from_millis(300));
            let result = engine.sync(&shard(), &address, options).await.unwrap();
            assert_eq!(result.failure.unwrap().code, "ERR_TIMEOUT");
            db.rollback(open).unwrap();
            let mut endless = SyncOptions::default();
            endless.timeout(Duration::MAX);
            assert!(engine.sync(&shard(), &address, endless).await.unwrap().is_success());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_what_runs_and_refuses_what_comes() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let address = b.listen().await;
    a.synced(&address).await;
    a.engine.close().await;
    a.engine.close().await;
    let error = a.engine.sync(&shard(), &address, SyncOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), "ERR_CLOSED");
    assert_eq!(a.engine.listen("127.0.0.1:0").await.unwrap_err().code(), "ERR_CLOSED");
    assert!(a.db.count(&shard()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_while_a_peer_is_called_is_no_failure_of_the_peer() {
    // Over either carrier somebody takes what comes, and never answers.
    let (udp, tcp) = loop {
        let udp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = tokio::net::TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap().to_string();
    let a = Arc::new(Node::new("a"));
    let caller = Arc::clone(&a);
    let running =
        tokio::spawn(async move { caller.engine.sync(&shard(), &address, SyncOptions::default()).await });
    let _called = tokio::select! {
        _ = udp.readable() => None,
        accepted = tcp.accept() => Some(accepted.unwrap()),
    };
    a.engine.close().await;
    assert_eq!(running.await.unwrap().unwrap_err().code(), "ERR_CLOSED");
}

/// Wherever closing meets a sync, the sync has succeeded or is closed.
#[tokio::test(flavor = "multi_thread")]
async fn closing_at_any_moment_fails_no_sync() {
    let b = Node::new("b");
    for i in 0..2_000 {
        b.put(&format!("v{i}"), &[i as f32; 64], "{}");
    }
    let address = b.listen().await;
    let mut closed = 0;
    for step in 0..60 {
        let a = Arc::new(Node::new("a"));
        let (caller, address) = (Arc::clone(&a), address.clone());
        let running =
            tokio::spawn(async move { caller.engine.sync(&shard(), &address, SyncOptions::default()).await });
        tokio::time::sleep(Duration::from_micros(step * 500)).await;
        a.engine.close().await;
        match running.await.unwrap() {
            Ok(result) => assert!(result.is_success(), "{result:?}"),
            Err(error) => {
                assert_eq!(error.code(), "ERR_CLOSED");
                closed += 1;
            }
        }
    }
    assert!(closed > 0, "every sync was over before the close");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_databases_sync_like_files() {
    let b = Node::new("b");
    b.put("v", &[1.0, 2.0], "{}");
    let db = vectr_core::VectrDB::new(vectr_core::Config::default()).unwrap();
    let sync = QuicSync::new(db.clone(), &b.listen().await).unwrap();
    let result = sync.sync("shard-1").await.unwrap();
    assert_eq!((result.local_vectors_sent, result.remote_vectors_received), (0, 1));
    assert_eq!(db.digest(&shard()).unwrap().to_string(), b.digest());
    sync.close().await;
}
