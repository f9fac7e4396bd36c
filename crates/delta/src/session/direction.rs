use crate::{ChangeId, Hello, ShardVersion};

/// How rows flow from one node of a session to the other. Both nodes derive the same from their two Hellos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Direction {
    /// The sender reads its changelog from here.
    pub(super) start: ChangeId,
    /// What the receiver holds; `None` if everything is to be sent.
    pub(super) filter: Option<ShardVersion>,
}

impl Direction {
    /// `None` if the sender lacks changes whose tombstones the receiver has collected. Nothing flows this way then; the
    /// other direction brings the sender up to date first.
    pub(super) fn between(sender: &Hello, receiver: &Hello) -> Option<Self> {
        if !sender.version_vector.covers_vector(&receiver.frontier) {
            return None;
        }
        if !receiver.version_vector.covers_vector(&sender.frontier) {
            return Some(Self { start: 0, filter: None });
        }
        let cursor = receiver.cursor.filter(|cursor| cursor.changelog == sender.changelog);
        let start = cursor.map_or(0, |cursor| cursor.position);
        Some(Self { start, filter: Some(receiver.version_vector.clone()) })
    }
}
