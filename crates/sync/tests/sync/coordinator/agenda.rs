use vectr_delta::Timestamp;
use vectr_sync::{Agenda, PeerStatus, Topology};

use super::support::{name, peer, shard};

#[test]
fn a_limit_is_from_1_to_1024() {
    for refused in [0, 1025, usize::MAX] {
        let error = Agenda::new(refused).unwrap_err();
        assert_eq!(error.code(), "ERR_ARGUMENT");
        assert!(error.to_string().contains(&refused.to_string()), "{error}");
    }
    assert!(Agenda::new(1).is_ok() && Agenda::new(1024).is_ok());
}

#[test]
fn registering_a_peer_twice_replaces_it() {
    let agenda = Agenda::default();
    agenda.register_peer(peer("b", "127.0.0.1:1", &["s", "t"]));
    agenda.register_peer(peer("a", "127.0.0.1:2", &["s"]));
    agenda.register_peer(peer("b", "127.0.0.1:3", &["u"]));
    let peers = agenda.peers();
    assert_eq!(peers, [peer("a", "127.0.0.1:2", &["s"]), peer("b", "127.0.0.1:3", &["u"])]);
    assert_eq!(agenda.statistics().shards, 2);
}

#[test]
fn an_unregistered_peer_is_gone() {
    let agenda = Agenda::default();
    agenda.register_peer(peer("b", "127.0.0.1:1", &["s"]));
    assert!(agenda.unregister_peer(&name("b")));
    assert!(!agenda.unregister_peer(&name("b")));
    assert_eq!((agenda.peers(), agenda.statistics().shards), (vec![], 0));
}

#[test]
fn what_is_returned_are_copies() {
    let agenda = Agenda::default();
    agenda.register_peer(peer("b", "127.0.0.1:1", &["s"]));
    let mut peers = agenda.peers();
    peers[0].address = "elsewhere".to_owned();
    peers[0].shards.clear();
    let mut neighbours = agenda.neighbours(&name("a"));
    neighbours[0].status = PeerStatus::Online;
    neighbours[0].last_contact = Some(Timestamp::from_micros(1));
    assert_eq!(agenda.peers(), [peer("b", "127.0.0.1:1", &["s"])]);
}

#[test]
fn cleared_tasks_are_gone() {
    let agenda = Agenda::default();
    for priority in 0..10 {
        agenda.schedule(shard("s"), "127.0.0.1:1", priority);
    }
    assert_eq!((agenda.pending_tasks(), agenda.active_syncs()), (10, 0));
    agenda.clear_pending_tasks();
    assert_eq!(agenda.clone().pending_tasks(), 0);
}

#[test]
fn neighbours_follow_the_topology() {
    let agenda = Agenda::default();
    assert_eq!(agenda.topology(), Topology::Mesh);
    for node in ["a", "b", "c", "d", "e"] {
        agenda.register_peer(peer(node, node, &["s"]));
    }
    let neighbours = |topology: Topology, of: &str| {
        agenda.set_topology(topology);
        let neighbours = agenda.neighbours(&name(of));
        neighbours.iter().map(|peer| peer.node.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(neighbours(Topology::Mesh, "c"), "a b d e");
    assert_eq!(neighbours(Topology::Star, "c"), "a");
    assert_eq!(neighbours(Topology::Ring, "a"), "b e");
    assert_eq!(neighbours(Topology::Tree, "b"), "a d e");
    assert_eq!(neighbours(Topology::Ring, "bb"), "b c", "a node counts itself in");
}
