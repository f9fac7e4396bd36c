use vectr_delta::{NodeName, ShardId, Timestamp};

/// A peer that is registered with a coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name, unique within a coordinator.
    pub node: NodeName,
    /// Its address: `host:port`, `host` or `[ipv6]:port`.
    pub address: String,
    /// The shards that it holds.
    pub shards: Vec<ShardId>,
    /// Time of its last answer; `None` if there was none.
    pub last_contact: Option<Timestamp>,
    /// Whether it answered the last call.
    pub status: PeerStatus,
}

/// Whether a peer answered the last call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerStatus {
    /// It answered.
    Online,
    /// It did not answer, or one of the two nodes does not trust the other.
    Offline,
    /// It has not been called yet.
    #[default]
    Unknown,
}

impl PeerStatus {
    /// `online`, `offline` or `unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Unknown => "unknown",
        }
    }
}
