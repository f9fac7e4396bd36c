use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use vectr_delta::Fingerprint;

use crate::Distrust;

/// An error of the transport.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// This node does not trust the peer. Retrying does not help until this node's configuration changes.
    #[error("{}", untrusted(peer.as_ref(), *remote, ours.as_ref(), because))]
    Untrusted {
        /// The fingerprint of the certificate that the peer presented; `None` if it presented nothing usable.
        peer: Option<Fingerprint>,
        /// Where the peer is.
        remote: IpAddr,
        /// This node's own fingerprint, if it is known.
        ours: Option<Fingerprint>,
        /// Why the peer is not trusted.
        because: Distrust,
    },
    /// No trust is configured, and the address is not one of this machine. Nothing was sent. Retrying does not
    /// help until trust is configured.
    #[error(
        "no trust is configured, so only peers on this machine can be reached, and {address} is not one: pin the \
         peer's fingerprint with tls: {{ pinnedFingerprints: [...] }}; this node's own fingerprint, for the peer to \
         pin, is {ours}"
    )]
    NoTrustConfigured {
        /// The address as it was understood.
        address: String,
        /// This node's own fingerprint.
        ours: Fingerprint,
    },
    /// The peer does not trust this node. Retrying does not help until the peer's configuration changes.
    #[error("{}", refused(*remote, ours, *secret))]
    Refused {
        /// Where the peer is.
        remote: SocketAddr,
        /// This node's own fingerprint.
        ours: Fingerprint,
        /// Whether the reason is that the two nodes do not share a cluster secret.
        secret: bool,
    },
    /// No connection could be made.
    #[error("peer {address} is unreachable: {reason}")]
    Unreachable {
        /// The address, in canonical form.
        address: String,
        /// Why the peer was not reached.
        reason: String,
    },
    /// An established connection ended.
    #[error("connection to {remote} was lost: {reason}")]
    Lost {
        /// Where the peer is, or was.
        remote: SocketAddr,
        /// Why it ended.
        reason: String,
    },
    /// The peer reset the stream or stopped reading it.
    #[error("peer {remote} aborted the stream with code {stream_code}")]
    BrokenOff {
        /// Where the peer is.
        remote: SocketAddr,
        /// The code that the peer gave to `reset` or `stop`.
        stream_code: u64,
    },
    /// An established connection stayed silent for too long.
    #[error("peer {remote} did not answer for {waited:?}")]
    TimedOut {
        /// Where the peer is, or was.
        remote: SocketAddr,
        /// The length of the silence.
        waited: Duration,
    },
    /// The peer has as many connections or streams open as it allows.
    #[error("peer {remote} is busy: {reason}")]
    Busy {
        /// Where the peer is.
        remote: SocketAddr,
        /// The limit that was reached.
        reason: &'static str,
    },
    /// One of this node's own limits was reached.
    #[error("all {limit} connections are in use: finish some work first, or raise maxConnections")]
    Limit {
        /// The limit.
        limit: usize,
    },
    /// One side sent more than the other accepts. Repeating the same fails in the same way.
    #[error("a limit between this node and peer {remote} was exceeded: {limit}: send less at a time")]
    PeerLimit {
        /// Where the peer is.
        remote: SocketAddr,
        /// The name of the limit.
        limit: String,
    },
    /// A message has too many parts. Nothing was sent.
    #[error("{what} number {count}, and at most {limit} are allowed: {hint}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The largest number allowed.
        limit: usize,
        /// What the caller can do.
        hint: &'static str,
    },
    /// A message exceeds the size limit. Nothing was sent.
    #[error("{what} has {size} bytes, and at most {limit} are allowed: {hint}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The largest size allowed.
        limit: usize,
        /// What the caller can do.
        hint: &'static str,
    },
    /// A message was sent, but its acknowledgement did not arrive.
    #[error("{cause}; the message was sent in full and may have arrived")]
    Unacknowledged {
        /// How the stream ended.
        cause: Box<TransportError>,
    },
    /// The caller's time limit has passed.
    #[error("{what} {address} did not arrive within {limit:?}")]
    Overdue {
        /// What was waited for.
        what: &'static str,
        /// The peer.
        address: String,
        /// The limit.
        limit: Duration,
    },
    /// The peer accepted a request, but its handler failed.
    #[error("the handler of peer {remote} failed: {reason}")]
    Handler {
        /// Where the peer is.
        remote: SocketAddr,
        /// The handler's error message.
        reason: String,
    },
    /// The endpoint, listener or stream half was closed here.
    #[error("{what} is closed")]
    Closed {
        /// What is closed.
        what: &'static str,
    },
    /// Something on this machine has to be fixed, such as a file or a port.
    #[error("{subject}: {reason}")]
    Config {
        /// The file or address.
        subject: String,
        /// What is wrong with it, and how to fix it.
        reason: String,
    },
    /// The disk of this machine is full, or failed.
    #[error("{subject}: {reason}")]
    Storage {
        /// The file.
        subject: String,
        /// What the system says, and what to do.
        reason: String,
    },
    /// An argument is invalid.
    #[error("{name} {value}: {hint}")]
    Argument {
        /// The name of the argument.
        name: &'static str,
        /// The value, shortened.
        value: String,
        /// The values that are allowed.
        hint: String,
    },
    /// The peer violated the protocol.
    #[error("peer {remote} broke the protocol: {reason}")]
    Protocol {
        /// Where the peer is.
        remote: SocketAddr,
        /// What it did.
        reason: String,
    },
}

impl TransportError {
    /// The stable code that JavaScript sees as `error.code`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unacknowledged { cause } => cause.code(),
            Self::Untrusted { .. } | Self::NoTrustConfigured { .. } | Self::Refused { .. } => "ERR_TRUST",
            Self::Unreachable { .. } | Self::Lost { .. } | Self::BrokenOff { .. } => "ERR_PEER_UNREACHABLE",
            Self::TimedOut { .. } | Self::Overdue { .. } => "ERR_TIMEOUT",
            Self::Handler { .. } => "ERR_HANDLER",
            Self::Busy { .. } => "ERR_BUSY",
            Self::Limit { .. } | Self::PeerLimit { .. } | Self::TooMany { .. } | Self::TooLarge { .. } => {
                "ERR_LIMIT"
            }
            Self::Closed { .. } => "ERR_CLOSED",
            Self::Config { .. } => "ERR_CONFIG",
            Self::Storage { .. } => "ERR_STORAGE",
            Self::Argument { .. } => "ERR_ARGUMENT",
            Self::Protocol { .. } => "ERR_PROTOCOL",
        }
    }

    /// Whether the same call may succeed later without changes on this node.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Lost { .. }
                | Self::BrokenOff { .. }
                | Self::TimedOut { .. }
                | Self::Busy { .. }
                | Self::Limit { .. }
        )
    }

    pub(crate) fn argument(name: &'static str, value: &dyn fmt::Display, hint: impl Into<String>) -> Self {
        let value = format!("'{}'", value.to_string().chars().take(100).collect::<String>());
        Self::Argument { name, value, hint: hint.into() }
    }

    pub(crate) fn config(subject: &dyn fmt::Display, reason: &dyn fmt::Display) -> Self {
        Self::Config { subject: subject.to_string(), reason: reason.to_string() }
    }

    pub(crate) const fn endpoint_closed() -> Self {
        Self::Closed { what: "the endpoint" }
    }
}

fn untrusted(
    peer: Option<&Fingerprint>,
    remote: IpAddr,
    ours: Option<&Fingerprint>,
    because: &Distrust,
) -> String {
    let ours = ours.map_or_else(String::new, |ours| {
        format!("; this node's own fingerprint, for the peer to pin, is {ours}")
    });
    let Some(peer) = peer else { return format!("peer {remote} presented no usable certificate{ours}") };
    let who = format!("peer {remote} with the fingerprint {peer} is not trusted");
    match because {
        Distrust::Unknown => {
            format!("{who}: to trust it, configure tls: {{ pinnedFingerprints: [\"{peer}\"] }}{ours}")
        }
        Distrust::Certificate(_) | Distrust::Expired => format!(
            "{who}: {because}; give it a certificate from a configured authority, or configure \
             tls: {{ pinnedFingerprints: [\"{peer}\"] }}{ours}"
        ),
        Distrust::Secret => format!("{who}: {because}: configure the same tls.clusterSecret on both"),
    }
}

fn refused(remote: SocketAddr, ours: &Fingerprint, secret: bool) -> String {
    if secret {
        return format!(
            "peer {remote} does not trust this node: configure the same tls.clusterSecret on both, or on neither"
        );
    }
    format!(
        "peer {remote} does not trust this node: configure tls: {{ pinnedFingerprints: [\"{ours}\"] }} there or, if \
         it trusts an authority, give this node a valid certificate from that authority"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_error_contains_the_line_to_paste_and_our_own_fingerprint() {
        let (peer, ours) = (Fingerprint::new([7; 32]), Fingerprint::new([9; 32]));
        let error = TransportError::Untrusted {
            peer: Some(peer),
            remote: "192.0.2.1".parse().unwrap(),
            ours: Some(ours),
            because: Distrust::Unknown,
        };
        let text = error.to_string();
        assert!(text.contains(&format!("tls: {{ pinnedFingerprints: [\"{peer}\"] }}")), "{text}");
        assert!(text.contains(&ours.to_string()), "{text}");
        assert!(!error.is_transient());
    }
}
