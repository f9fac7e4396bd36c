//! Authenticated QUIC between nodes, or TCP where UDP does not get through: identity, trust, endpoint, connection pool and
//! streams.
//!
//! An [`Endpoint`] is one node's presence on the network. It opens [`PeerStream`]s to addresses over pooled
//! connections and, with a [`Listener`], accepts them. Both sides present the certificate of their [`Identity`], and
//! no stream is handed out before [`Trust`] has admitted the peer as it is at that moment.
//!
//! The bytes on a stream are the caller's business, except for the first one, which says what kind of stream it is. A
//! [`Messenger`] sends whole messages over streams of its own.

mod address;
mod config;
mod connection;
mod endpoint;
mod environment;
mod error;
mod limits;
mod messages;
mod protocol;
mod tcp;
mod tls;
mod trust;

pub use config::EndpointConfig;
pub use connection::stream::{PeerStream, RecvHalf, SendHalf};
pub use endpoint::Endpoint;
pub use endpoint::inner::AcceptedStatistics;
pub use endpoint::listener::Listener;
pub use endpoint::pool::PoolStatistics;
pub use environment::Environment;
pub use error::TransportError;
pub use messages::{
    AckHandle, Attachment, AttachmentKind, Delivery, MAX_MESSAGE, Message, MessageStatistics, Messenger,
    MessengerConfig, PendingReceive, StreamForm, StreamName,
};
pub use protocol::{ALPN, DEFAULT_PORT, STREAM_ABANDONED};
pub use tls::identity::Identity;
pub use trust::{
    Access, DangerousTrust, Distrust, Grant, PeerRights, Rights, TlsConfig, TlsFile, TlsSecret, Trust,
    TrustRules,
};
pub use vectr_delta::Fingerprint;
