//! Authenticated QUIC between nodes, or TCP where UDP does not get through: identity, trust, endpoint, connection pool and
//! streams.
//!
//! An [`Endpoint`] is one node's presence on the network. It opens [`PeerStream`]s to addresses over pooled
//! connections and, with a [`Listener`], accepts them. Both sides present the certificate of their [`Identity`], and
//! no stream is handed out before [`Trust`] has admitted the peer as it is at that moment.
//!
//! The bytes on a stream are the caller's business, except for the first one, which says what kind of stream it is. A
//! [`Messenger`] sends whole messages over streams of its own.

mod accepting;
mod address;
mod carrier;
mod config;
mod connection_error;
mod dial;
mod endpoint;
mod environment;
mod error;
mod fallback;
mod identity;
mod identity_file;
mod link;
mod listener;
mod messages;
mod node;
mod ping;
mod pool;
mod presented;
mod proof;
mod protocol;
mod routes;
mod stream;
mod tickets;
mod tls;
mod trust;
mod verifier;

pub use config::EndpointConfig;
pub use endpoint::Endpoint;
pub use environment::Environment;
pub use error::TransportError;
pub use identity::Identity;
pub use listener::Listener;
pub use messages::{
    Attachment, AttachmentKind, Delivery, MAX_MESSAGE, Message, MessageStatistics, Messenger,
    MessengerConfig, Receiving, StreamForm, StreamName, Ticket,
};
pub use node::AcceptedStatistics;
pub use pool::PoolStatistics;
pub use protocol::{ALPN, DEFAULT_PORT, STREAM_ABANDONED};
pub use stream::{PeerStream, RecvHalf, SendHalf};
pub use trust::{
    Access, DangerousTrust, Distrust, Grant, PeerRights, Rights, TlsConfig, TlsFile, TlsSecret, Trust,
    TrustRules,
};
pub use vectr_delta::Fingerprint;
