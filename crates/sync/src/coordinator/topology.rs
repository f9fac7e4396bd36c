use vectr_delta::NodeName;

/// Graph of the nodes that sync with each other. Each node derives it from the same names: all graphs are connected,
/// and neighbourhood is mutual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Topology {
    /// Each node with every other one.
    #[default]
    Mesh,
    /// Each node with the one whose name sorts first.
    Star,
    /// Each node with the previous and the next name; the last is followed by the first.
    Ring,
    /// A binary tree in the order of names: the node at place `i` has the parent `(i - 1) / 2`.
    Tree,
}

impl Topology {
    /// All topologies.
    pub const ALL: [Self; 4] = [Self::Mesh, Self::Star, Self::Ring, Self::Tree];

    /// Its name: `mesh`, `star`, `ring` or `tree`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mesh => "mesh",
            Self::Star => "star",
            Self::Ring => "ring",
            Self::Tree => "tree",
        }
    }

    /// The topology of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topology| topology.name() == name)
    }

    /// The nodes that `me` syncs with, sorted by name. `all` are the names of all nodes, sorted and unique; if `me` is
    /// not among them, it has no neighbours.
    #[must_use]
    pub fn neighbours<'n>(self, me: &NodeName, all: &[&'n NodeName]) -> Vec<&'n NodeName> {
        let Ok(mine) = all.binary_search(&me) else { return Vec::new() };
        let count = all.len();
        let mut places = match self {
            Self::Mesh => (0..count).collect(),
            Self::Star if mine == 0 => (1..count).collect(),
            Self::Star => vec![0],
            Self::Ring => vec![(mine + count - 1) % count, (mine + 1) % count],
            Self::Tree => {
                [mine.checked_sub(1).map(|above| above / 2), Some(2 * mine + 1), Some(2 * mine + 2)]
                    .into_iter()
                    .flatten()
                    .filter(|place| *place < count)
                    .collect()
            }
        };
        places.retain(|place| *place != mine);
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|place| all[place]).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(count: usize) -> Vec<NodeName> {
        (0..count).map(|i| NodeName::new(&format!("node-{i:02}")).unwrap()).collect()
    }

    #[test]
    fn every_topology_is_connected_and_symmetric() {
        for (topology, count) in Topology::ALL.into_iter().flat_map(|it| (1..=20).map(move |n| (it, n))) {
            let names = names(count);
            let all: Vec<&NodeName> = names.iter().collect();
            for me in &names {
                for other in topology.neighbours(me, &all) {
                    assert_ne!(other, me);
                    let back = topology.neighbours(other, &all);
                    assert!(back.contains(&me), "{topology:?} of {count}: {me} knows {other}");
                }
            }
            let mut reached = BTreeSet::from([&names[0]]);
            let mut last = vec![&names[0]];
            while let Some(node) = last.pop() {
                last.extend(
                    topology.neighbours(node, &all).into_iter().filter(|other| reached.insert(other)),
                );
            }
            assert_eq!(reached.len(), count, "{topology:?} of {count}");
        }
    }

    #[test]
    fn each_topology_has_its_own_shape() {
        let names = names(8);
        let all: Vec<&NodeName> = names.iter().collect();
        let degrees = |topology: Topology| {
            names.iter().map(|me| topology.neighbours(me, &all).len()).collect::<Vec<_>>()
        };
        assert_eq!(degrees(Topology::Mesh), [7; 8]);
        assert_eq!(degrees(Topology::Star), [7, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(degrees(Topology::Ring), [2; 8]);
        assert_eq!(degrees(Topology::Tree), [2, 3, 3, 2, 1, 1, 1, 1]);
    }

    #[test]
    fn an_unknown_node_has_no_neighbours() {
        let names = names(3);
        let all: Vec<&NodeName> = names.iter().collect();
        let stranger = NodeName::new("stranger").unwrap();
        for topology in Topology::ALL {
            assert!(topology.neighbours(&stranger, &all).is_empty());
            assert!(topology.neighbours(&stranger, &[]).is_empty());
        }
    }
}
