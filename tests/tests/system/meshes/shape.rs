use std::collections::VecDeque;

/// Who syncs with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// All with all.
    Mesh,
    /// All with the first.
    Star,
    /// Each with the one before and the one after.
    Ring,
    /// Each with its parent and its children in the order of a binary heap.
    Tree,
}

impl Shape {
    /// Of one node among `count`.
    pub(super) fn neighbours(self, of: usize, count: usize) -> Vec<usize> {
        (0..count).filter(|&other| other != of && self.joins(of.min(other), of.max(other), count)).collect()
    }

    /// The most syncs between neighbours that lie between two of `count` nodes.
    pub(super) fn diameter(self, count: usize) -> usize {
        (0..count).map(|node| self.farthest(node, count)).max().unwrap_or_default()
    }

    fn joins(self, lower: usize, higher: usize, count: usize) -> bool {
        match self {
            Self::Mesh => true,
            Self::Star => lower == 0,
            Self::Ring => higher - lower == 1 || higher - lower == count - 1,
            Self::Tree => (higher - 1) / 2 == lower,
        }
    }

    fn farthest(self, from: usize, count: usize) -> usize {
        let mut steps = vec![None; count];
        steps[from] = Some(0);
        let mut open = VecDeque::from([from]);
        while let Some(node) = open.pop_front() {
            for other in self.neighbours(node, count) {
                if steps[other].is_none() {
                    steps[other] = steps[node].map(|steps: usize| steps + 1);
                    open.push_back(other);
                }
            }
        }
        let farthest = steps.into_iter().map(|steps| steps.expect("every node can be reached"));
        farthest.max().unwrap_or_default()
    }
}

#[test]
fn diameters_of_eight_nodes_are_known() {
    let diameters = [Shape::Mesh, Shape::Star, Shape::Ring, Shape::Tree].map(|shape| shape.diameter(8));
    assert_eq!(diameters, [1, 2, 4, 5]);
}
