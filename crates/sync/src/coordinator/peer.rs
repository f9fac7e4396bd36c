use vectr_delta::{NodeName, ShardId, Timestamp};

/// Another node that a coordinator knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What it is called: a coordinator knows one peer of a name.
    pub node: NodeName,
    /// Where it is: `host:port`, `host` or `[ipv6]:port`.
    pub address: String,
    /// What it holds.
    pub shards: Vec<ShardId>,
    /// When it last answered; `None`: not that anyone knows.
    pub last_contact: Option<Timestamp>,
    /// Whether it answered when it was last called.
    pub status: PeerStatus,
}

/// Whether a peer answered when it was last called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerStatus {
    /// It did.
    Online,
    /// It did not, or does not trust this node, or is not trusted by it.
    Offline,
    /// It was not called yet.
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
