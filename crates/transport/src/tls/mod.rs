pub(crate) mod cert_resolver;
pub(crate) mod identity;
pub(crate) mod identity_file;
pub(crate) mod server_sessions;
pub(crate) mod tickets;
pub(crate) mod verifier;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Weak};
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::udp::UdpSocketState;
use quinn::{
    AsyncUdpSocket, ConnectionError, ConnectionId, ConnectionIdGenerator, IdleTimeout, Runtime, TokioRuntime,
    TransportConfig, VarInt,
};
use rustls::client::Resumption;
use rustls::version::TLS13;

use crate::limits::{
    CONNECTION_WINDOW, PROOF_WINDOW, QUIC_INCOMING, QUIC_INCOMING_BYTES, QUIC_INCOMING_BYTES_TOTAL,
    STRANGER_STREAMS, STRANGER_WINDOW, STREAM_WINDOW, keep_alive_interval,
};
use crate::protocol::Protocol;
use crate::tcp;
use crate::tls::cert_resolver::CertResolver;
use crate::tls::server_sessions::ServerSessions;
use crate::tls::tickets::AttemptTickets;
use crate::tls::verifier::PeerVerifier;
use crate::{EndpointConfig, TransportError, Trust};

/// The quinn and rustls configurations of a node.
pub(crate) struct Tls {
    pub(crate) cert_resolver: Arc<CertResolver>,
    client: rustls::ClientConfig,
    server: quinn::ServerConfig,
    /// For clients that have to prove a secret first.
    proof_server: Arc<quinn::ServerConfig>,
    transport: Arc<TransportConfig>,
    /// The one at the start, from which reset keys are derived.
    identity: crate::Identity,
    tcp_client: Arc<rustls::ClientConfig>,
    tcp_server: Arc<rustls::ServerConfig>,
}

impl Tls {
    pub(crate) fn new(
        cert_resolver: Arc<CertResolver>,
        trust: &Trust,
        config: &EndpointConfig,
    ) -> Result<Self, TransportError> {
        let transport = Arc::new(transport(config, STRANGER_WINDOW)?);
        let verifier = Arc::new(PeerVerifier::new(trust.clone()));
        // Keep sessions here, not in tickets: each can be used only once, which early data relies on.
        let sessions = ServerSessions::new(trust, config.max_connections.saturating_mul(4).max(256));
        let tls = server_tls(&cert_resolver, Arc::clone(&verifier), sessions)?;
        let proof_transport = Arc::new(self::transport(config, PROOF_WINDOW)?);
        let client = client(&cert_resolver, verifier, config)?;
        let mut tcp_client = client.clone();
        tcp_client.alpn_protocols = vec![tcp::ALPN.to_vec()];
        tcp_client.enable_early_data = false;
        tcp_client.resumption = Resumption::disabled();
        let mut tcp_server = tls.clone();
        tcp_server.alpn_protocols = vec![tcp::ALPN.to_vec()];
        tcp_server.send_tls13_tickets = 0;
        Ok(Self {
            client,
            tcp_client: Arc::new(tcp_client),
            tcp_server: Arc::new(tcp_server),
            server: server(tls.clone(), config.enable_0rtt, Arc::clone(&transport))?,
            proof_server: Arc::new(server(tls, false, proof_transport)?),
            transport,
            identity: cert_resolver.identity(),
            cert_resolver,
        })
    }

    /// Accepts a connection whose certificate alone is not enough to trust it: without early data, and with a smaller
    /// window until `RawConnection::lift_restrictions`.
    pub(crate) fn accept_unproven(
        &self,
        incoming: quinn::Incoming,
    ) -> Result<quinn::Connecting, ConnectionError> {
        incoming.accept_with(Arc::clone(&self.proof_server))
    }

    /// For connecting over TCP, where sessions are not resumed.
    pub(crate) fn tcp_client(&self) -> Arc<rustls::ClientConfig> {
        Arc::clone(&self.tcp_client)
    }

    /// For accepting over TCP.
    pub(crate) fn tcp_server(&self) -> Arc<rustls::ServerConfig> {
        Arc::clone(&self.tcp_server)
    }

    /// The configuration of one connection attempt.
    pub(crate) fn client(&self, tickets: Arc<AttemptTickets>) -> quinn::ClientConfig {
        let mut tls = self.client.clone();
        tls.resumption = Resumption::store(tickets);
        let quic = QuicClientConfig::try_from(tls)
            .expect("the provider has the cipher suite of QUIC's first packets");
        let mut config = quinn::ClientConfig::new(Arc::new(quic));
        config.transport_config(Arc::clone(&self.transport));
        config
    }

    /// Binds a UDP socket. The weak handle tells when the last user of the socket has released it.
    pub(crate) fn bind(
        &self,
        address: SocketAddr,
        accepts: bool,
    ) -> io::Result<(quinn::Endpoint, Weak<dyn AsyncUdpSocket>)> {
        let socket = UdpSocket::bind(address)?;
        enlarge_buffers(&socket);
        let socket = TokioRuntime.wrap_udp_socket(socket)?;
        let watched = Arc::downgrade(&socket);
        Ok((self.endpoint_on(socket, accepts)?, watched))
    }

    pub(crate) fn endpoint_on(
        &self,
        socket: Arc<dyn AsyncUdpSocket>,
        accepts: bool,
    ) -> io::Result<quinn::Endpoint> {
        let server = accepts.then(|| self.server.clone());
        quinn::Endpoint::new_with_abstract_socket(
            endpoint(&self.identity, socket.local_addr()?),
            server,
            socket,
            Arc::new(TokioRuntime),
        )
    }
}

/// Buffers what arrives while the reading thread is busy. Best effort: the system may allow less.
fn enlarge_buffers(socket: &UdpSocket) {
    let Ok(state) = UdpSocketState::new(socket.into()) else { return };
    let _ = state.set_recv_buffer_size(socket.into(), SOCKET_BUFFER);
    let _ = state.set_send_buffer_size(socket.into(), SOCKET_BUFFER);
}

fn client(
    cert_resolver: &Arc<CertResolver>,
    verifier: Arc<PeerVerifier>,
    config: &EndpointConfig,
) -> Result<rustls::ClientConfig, TransportError> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| TransportError::config(&"TLS", &error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::clone(cert_resolver) as Arc<_>);
    tls.alpn_protocols = alpn();
    tls.enable_early_data = config.enable_0rtt;
    Ok(tls)
}

fn server_tls(
    cert_resolver: &Arc<CertResolver>,
    verifier: Arc<PeerVerifier>,
    sessions: Arc<ServerSessions>,
) -> Result<rustls::ServerConfig, TransportError> {
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| TransportError::config(&"TLS", &error))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(cert_resolver) as Arc<_>);
    tls.alpn_protocols = alpn();
    tls.session_storage = sessions;
    Ok(tls)
}

fn server(
    mut tls: rustls::ServerConfig,
    early_data: bool,
    transport: Arc<TransportConfig>,
) -> Result<quinn::ServerConfig, TransportError> {
    tls.max_early_data_size = if early_data { u32::MAX } else { 0 };
    let quic = QuicServerConfig::try_from(tls).map_err(|error| TransportError::config(&"TLS", &error))?;
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(quic));
    server
        .transport_config(transport)
        .max_incoming(QUIC_INCOMING)
        .incoming_buffer_size(QUIC_INCOMING_BYTES)
        .incoming_buffer_size_total(QUIC_INCOMING_BYTES_TOTAL);
    Ok(server)
}

/// The parameters of a connection with a stranger. `RawConnection::lift_restrictions` raises them.
fn transport(config: &EndpointConfig, window: u32) -> Result<TransportConfig, TransportError> {
    let idle = IdleTimeout::try_from(config.idle_timeout).map_err(|error| {
        TransportError::argument("maxIdleTimeoutMs", &config.idle_timeout.as_millis(), error.to_string())
    })?;
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(keep_alive_interval(config.idle_timeout)))
        .max_concurrent_bidi_streams(VarInt::from_u32(config.max_concurrent_streams.min(STRANGER_STREAMS)))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(window))
        .send_window(u64::from(CONNECTION_WINDOW));
    Ok(transport)
}

/// The reset key is derived from the identity, so that a restarted node can tell its peers by a stateless reset that
/// their connections are gone. For the same reason no connection id is rejected as foreign.
///
/// Each address has a key of its own: a socket tells the token of any id that it does not know, and with one key for all
/// sockets an observer could ask one of them how to end the connections of another (RFC 9000, section 21.11).
fn endpoint(identity: &crate::Identity, local: SocketAddr) -> quinn::EndpointConfig {
    let purpose = format!("quic stateless reset {local}");
    let reset_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &identity.derive(&purpose));
    let mut endpoint = quinn::EndpointConfig::new(Arc::new(reset_key));
    endpoint.cid_generator(|| Box::new(RandomIds));
    endpoint
}

struct RandomIds;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; ID_LENGTH];
        getrandom::fill(&mut id).expect("the system gave randomness for the handshake already");
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        ID_LENGTH
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn alpn() -> Vec<Vec<u8>> {
    Protocol::ALL.iter().map(|protocol| protocol.alpn().to_vec()).collect()
}

const ID_LENGTH: usize = 8;
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
