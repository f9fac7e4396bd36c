use vectr_delta::Timestamp;
use vectr_sync::{PeerStatus, Scheduler, Topology};

use super::support::{name, peer, shard};

#[test]
fn a_limit_is_from_1_to_1024() {
    for refused in [0, 1025, usize::MAX] {
        let error = Scheduler::new(refused).unwrap_err();
        assert_eq!(error.code(), "ERR_ARGUMENT");
        assert!(error.to_string().contains(&refused.to_string()), "{error}");
    }
    assert!(Scheduler::new(1).is_ok() && Scheduler::new(1024).is_ok());
}

#[test]
fn registering_a_peer_twice_replaces_it() {
    let scheduler = Scheduler::default();
    scheduler.register_peer(peer("b", "127.0.0.1:1", &["s", "t"]));
    scheduler.register_peer(peer("a", "127.0.0.1:2", &["s"]));
    scheduler.register_peer(peer("b", "127.0.0.1:3", &["u"]));
    let peers = scheduler.peers();
    assert_eq!(peers, [peer("a", "127.0.0.1:2", &["s"]), peer("b", "127.0.0.1:3", &["u"])]);
    assert_eq!(scheduler.statistics().shards, 2);
}

#[test]
fn an_unregistered_peer_is_gone() {
    let scheduler = Scheduler::default();
    scheduler.register_peer(peer("b", "127.0.0.1:1", &["s"]));
    assert!(scheduler.unregister_peer(&name("b")));
    assert!(!scheduler.unregister_peer(&name("b")));
    assert_eq!((scheduler.peers(), scheduler.statistics().shards), (vec![], 0));
}

#[test]
fn returned_peers_are_copies() {
    let scheduler = Scheduler::default();
    scheduler.register_peer(peer("b", "127.0.0.1:1", &["s"]));
    let mut peers = scheduler.peers();
    peers[0].address = "elsewhere".to_owned();
    peers[0].shards.clear();
    let mut neighbours = scheduler.neighbours(&name("a"));
    neighbours[0].status = PeerStatus::Online;
    neighbours[0].last_contact = Some(Timestamp::from_micros(1));
    assert_eq!(scheduler.peers(), [peer("b", "127.0.0.1:1", &["s"])]);
}

#[test]
fn cleared_tasks_are_gone() {
    let scheduler = Scheduler::default();
    for priority in 0..10 {
        scheduler.schedule(shard("s"), "127.0.0.1:1", priority);
    }
    assert_eq!((scheduler.pending_tasks(), scheduler.active_syncs()), (10, 0));
    scheduler.clear_pending_tasks();
    assert_eq!(scheduler.clone().pending_tasks(), 0);
}

#[test]
fn neighbours_follow_the_topology() {
    let scheduler = Scheduler::default();
    assert_eq!(scheduler.topology(), Topology::Mesh);
    for node in ["a", "b", "c", "d", "e"] {
        scheduler.register_peer(peer(node, node, &["s"]));
    }
    let neighbours = |topology: Topology, of: &str| {
        scheduler.set_topology(topology);
        let neighbours = scheduler.neighbours(&name(of));
        neighbours.iter().map(|peer| peer.node.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(neighbours(Topology::Mesh, "c"), "a b d e");
    assert_eq!(neighbours(Topology::Star, "c"), "a");
    assert_eq!(neighbours(Topology::Ring, "a"), "b e");
    assert_eq!(neighbours(Topology::Tree, "b"), "a d e");
    assert_eq!(neighbours(Topology::Ring, "bb"), "b c", "a node counts itself in");
}
