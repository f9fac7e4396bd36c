use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use vectr_delta::{NodeName, ShardId, Timestamp};

use super::peer::{Peer, PeerStatus};
use super::topology::Topology;

/// The peers of a coordinator, by name and by address.
#[derive(Debug, Default)]
pub(super) struct PeerTable {
    peers: BTreeMap<NodeName, Peer>,
    by_address: HashMap<String, BTreeSet<NodeName>>,
}

impl PeerTable {
    pub(super) fn insert(&mut self, peer: Peer) {
        self.remove(&peer.node);
        self.by_address.entry(peer.address.clone()).or_default().insert(peer.node.clone());
        self.peers.insert(peer.node.clone(), peer);
    }

    pub(super) fn remove(&mut self, node: &NodeName) -> bool {
        let Some(peer) = self.peers.remove(node) else { return false };
        if let Some(nodes) = self.by_address.get_mut(&peer.address) {
            nodes.remove(node);
            if nodes.is_empty() {
                self.by_address.remove(&peer.address);
            }
        }
        true
    }

    /// Records a call to the peers at an address, and whether they answered.
    pub(super) fn record_contact(&mut self, address: &str, at: Timestamp, answered: bool) {
        for node in self.by_address.get(address).into_iter().flatten() {
            let Some(peer) = self.peers.get_mut(node) else { continue };
            if answered {
                peer.status = PeerStatus::Online;
                peer.last_contact = peer.last_contact.max(Some(at));
            } else {
                peer.status = PeerStatus::Offline;
            }
        }
    }

    /// Sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    /// Sorted by name.
    pub(super) fn at<'r>(&'r self, address: &str) -> impl Iterator<Item = &'r Peer> {
        self.by_address.get(address).into_iter().flatten().filter_map(|node| self.peers.get(node))
    }

    pub(super) fn count_shards(&self) -> usize {
        self.iter().flat_map(|peer| &peer.shards).collect::<HashSet<_>>().len()
    }

    /// The peers that `me` syncs with, sorted by name, and the shards to sync, in the order in which the peer lists
    /// them.
    ///
    /// The topology applies to each shard separately, among the nodes that hold it and `me`. A ring over all nodes
    /// could separate two nodes that share a shard but are not adjacent.
    pub(super) fn exchanges(&self, me: &NodeName, topology: Topology) -> Vec<(&Peer, Vec<&ShardId>)> {
        let mut chosen: HashSet<(&NodeName, &ShardId)> = HashSet::new();
        for (shard, nodes) in self.holders(me) {
            chosen.extend(topology.neighbours(me, &nodes).into_iter().map(|node| (node, shard)));
        }
        let mut exchanges = Vec::new();
        for peer in self.iter().filter(|peer| peer.node != *me) {
            // `remove` succeeds once, so a shard that is listed twice counts once.
            let shards: Vec<_> =
                peer.shards.iter().filter(|shard| chosen.remove(&(&peer.node, *shard))).collect();
            if !shards.is_empty() {
                exchanges.push((peer, shards));
            }
        }
        exchanges
    }

    /// The nodes of each shard, sorted.
    fn holders<'r>(&'r self, me: &'r NodeName) -> HashMap<&'r ShardId, Vec<&'r NodeName>> {
        let mut holders: HashMap<&ShardId, Vec<&NodeName>> = HashMap::new();
        for peer in self.iter() {
            for shard in &peer.shards {
                let nodes = holders.entry(shard).or_default();
                if nodes.last() != Some(&&peer.node) {
                    nodes.push(&peer.node);
                }
            }
        }
        for nodes in holders.values_mut() {
            if let Err(place) = nodes.binary_search(&me) {
                nodes.insert(place, me);
            }
        }
        holders
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn peer(name: &str, address: &str, shards: &[&str]) -> Peer {
        Peer {
            node: node(name),
            address: address.to_owned(),
            shards: shards.iter().map(|shard| ShardId::new(shard).unwrap()).collect(),
            last_contact: None,
            status: PeerStatus::Unknown,
        }
    }

    fn exchanges(peer_table: &PeerTable, me: &str, topology: Topology) -> Vec<String> {
        let exchanges = peer_table.exchanges(&node(me), topology).into_iter();
        exchanges
            .flat_map(|(peer, shards)| {
                shards.iter().map(|s| format!("{} {s}", peer.node)).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn each_shard_has_the_topology_among_those_that_hold_it() {
        let mut peer_table = PeerTable::default();
        for name in ["b", "c", "d", "e", "f"] {
            peer_table.insert(peer(name, name, if name == "d" { &["all", "few", "all"] } else { &["all"] }));
        }
        assert_eq!(exchanges(&peer_table, "a", Topology::Ring), ["b all", "d few", "f all"]);
        assert_eq!(exchanges(&peer_table, "a", Topology::Star).len(), 6);
        assert_eq!(exchanges(&peer_table, "z", Topology::Star), ["b all", "d few"]);
        assert_eq!(exchanges(&peer_table, "d", Topology::Tree), ["b all"], "this node is no peer of itself");
    }

    #[test]
    fn a_peer_that_moves_leaves_its_old_address() {
        let mut peer_table = PeerTable::default();
        peer_table.insert(peer("b", "old", &[]));
        peer_table.insert(peer("b", "new", &[]));
        peer_table.insert(peer("c", "new", &[]));
        assert_eq!(peer_table.at("old").count(), 0);
        assert_eq!(peer_table.at("new").map(|peer| peer.node.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert!(peer_table.remove(&node("b")) && !peer_table.remove(&node("b")));
        assert_eq!(peer_table.at("new").count(), 1);
    }

    #[test]
    fn a_call_counts_for_all_at_the_address() {
        let mut peer_table = PeerTable::default();
        peer_table.insert(peer("b", "x", &[]));
        peer_table.insert(peer("c", "y", &[]));
        let at = Timestamp::from_micros(7);
        peer_table.record_contact("x", at, true);
        peer_table.record_contact("y", at, false);
        peer_table.record_contact("nowhere", at, true);
        let peers: Vec<_> = peer_table.iter().map(|peer| (peer.status, peer.last_contact)).collect();
        assert_eq!(peers, [(PeerStatus::Online, Some(at)), (PeerStatus::Offline, None)]);
        peer_table.record_contact("x", at, false);
        assert_eq!(peer_table.at("x").next().unwrap().last_contact, Some(at), "it was there, once");
    }
}
