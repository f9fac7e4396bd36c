//! Authenticated connections between nodes, over QUIC or, where UDP does not get through, over TCP: identity, trust,
//! endpoints, connection pool and streams.
//!
//! An [`Endpoint`] is a node's presence on the network. It opens [`PeerStream`]s to addresses over pooled connections
//! and, with a [`Listener`], accepts them. Both sides present the certificate of their [`Identity`]. A stream is handed
//! out only after [`Trust`] has admitted the peer under the rules in force at that moment.
//!
//! The bytes on a stream belong to the caller, except for the first one, which is the kind of the stream. A
//! [`Messenger`] sends whole messages over its own streams.

mod address;
mod config;
mod connection;
mod endpoint;
mod environment;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod limits;
mod messages;
mod protocol;
mod tcp;
mod tls;
mod trust;

pub use config::EndpointConfig;
pub use connection::allowance::{StreamAllowance, StreamAllowances};
pub use connection::stream::{PeerStream, RecvHalf, SendHalf};
pub use endpoint::Endpoint;
pub use endpoint::inner::AcceptedStatistics;
pub use endpoint::listener::Listener;
pub use endpoint::pool::PoolStatistics;
pub use endpoint::socket_faults::SocketFaultStatistics;
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

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
