use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quinn::{ConnectError, ConnectionError};
use rustls::pki_types::{ServerName, UnixTime};
use tokio::task::JoinSet;
use vectr_delta::Fingerprint;

use crate::address::Address;
use crate::connection::raw::{RawConnection, from_quic};
use crate::connection::stream::{PeerStream, first_chunks};
use crate::connection::{Connection, Lease};
use crate::endpoint::inner::{ClientSocket, EndpointInner};
use crate::endpoint::ping;
use crate::protocol::StreamKind;
use crate::tls::tickets::{AttemptTickets, Tickets};
use crate::trust::{Credentials, Role, exported_label};
use crate::{TransportError, TrustRules, tcp};

/// A new authenticated connection, and the stream opened by its early data if that was accepted.
pub(crate) struct Dialed {
    pub(crate) connection: Arc<Connection>,
    pub(crate) early: Option<PeerStream>,
}

/// Connects to an address. Resolves the name and tries its socket addresses in order, each a little after the one
/// before, until one answers. Only the first attempt sends `opening` as early data.
///
/// A refusal for lack of trust is final, even if other addresses are left. With no trust configured, nothing is sent to
/// an address outside this machine.
pub(crate) async fn dial(
    inner: Arc<EndpointInner>,
    address: Address,
    tickets: Arc<Tickets>,
    opening: Option<(Fingerprint, Bytes)>,
) -> Result<Dialed, TransportError> {
    // Before the name is resolved: not even a name server hears of it.
    if !address.is_loopback() && inner.trust.read(TrustRules::trusts_only_this_machine) {
        return Err(TransportError::NoTrustConfigured {
            address: address.to_string(),
            ours: inner.fingerprint(),
        });
    }
    let limit = inner.config.connect_timeout;
    let no_answer = TransportError::Unreachable {
        address: address.to_string(),
        reason: format!(
            "no answer within {limit:?}; is it listening there, and does a firewall let it through?"
        ),
    };
    let race = race(inner, &address, tickets, opening);
    tokio::time::timeout(limit, race).await.unwrap_or(Err(no_answer))
}

async fn race(
    inner: Arc<EndpointInner>,
    address: &Address,
    tickets: Arc<Tickets>,
    mut opening: Option<(Fingerprint, Bytes)>,
) -> Result<Dialed, TransportError> {
    let mut remotes = address.resolve(inner.config.connect_timeout).await?.into_iter();
    let mut tries = JoinSet::new();
    let mut last = None;
    loop {
        let next = remotes.next();
        let more = next.is_some();
        if let Some(remote) = next {
            tries.spawn(connect_either(Arc::clone(&inner), remote, Arc::clone(&tickets), opening.take()));
        }
        tokio::select! {
            Some(ended) = tries.join_next() => match ended {
                Ok(Ok(dialed)) => return Ok(dialed),
                Ok(Err(error)) if !error.is_transient() => return Err(error),
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(TransportError::endpoint_closed()),
            },
            () = tokio::time::sleep(NEXT_ADDRESS_DELAY), if more => {}
            else => break,
        }
    }
    Err(last.unwrap_or(TransportError::endpoint_closed()))
}

/// Connects to one socket address: over QUIC and, if that does not answer in time, over TCP; in the opposite order if
/// UDP did not get through recently. The first answer counts, even a refusal.
async fn connect_either(
    inner: Arc<EndpointInner>,
    remote: SocketAddr,
    tickets: Arc<Tickets>,
    opening: Option<(Fingerprint, Bytes)>,
) -> Result<Dialed, TransportError> {
    let (quic, fallback) = (inner.config.quic, inner.config.fallback);
    if !fallback {
        return connect(&inner, remote, &tickets, opening).await;
    }
    if !quic {
        return connect_tcp(&inner, remote).await;
    }
    let tcp_first = inner.fallback_cache.prefers_tcp(remote);
    let quic_answered = AtomicBool::new(false);
    let dialed = {
        let over_quic: Dialing<'_> = Box::pin(async {
            let dialed = connect(&inner, remote, &tickets, opening).await;
            quic_answered.store(matches!(dialed, Err(TransportError::Busy { .. })), Ordering::Relaxed);
            dialed
        });
        let over_tcp: Dialing<'_> = Box::pin(connect_tcp(&inner, remote));
        let order = if tcp_first { [over_tcp, over_quic] } else { [over_quic, over_tcp] };
        race_transports(order, FALLBACK_DELAY.min(inner.config.connect_timeout / 4)).await?
    };
    let over_tcp = dialed.connection.raw.is_fallback();
    if over_tcp && quic_answered.into_inner() {
        // UDP gets through. A node that is full, and not only busy with handshakes, says so after the one over TCP.
        let stream = PeerStream::open(Lease::new(&dialed.connection), StreamKind::Ping, None).await?;
        ping::measure(stream, inner.config.connect_timeout).await?;
    } else {
        inner.fallback_cache.record(remote, over_tcp);
    }
    Ok(dialed)
}

type Dialing<'a> = Pin<Box<dyn Future<Output = Result<Dialed, TransportError>> + Send + 'a>>;

/// Resolves to the first of two attempts that succeeds. The second starts when the first has failed, or has not
/// succeeded within `delay`.
async fn race_transports(
    [mut first, mut second]: [Dialing<'_>; 2],
    delay: Duration,
) -> Result<Dialed, TransportError> {
    let failed = tokio::select! {
        ended = &mut first => match ended {
            Err(error) if may_answer_elsewhere(&error) => Some(error),
            ended => return ended,
        },
        () = tokio::time::sleep(delay) => None,
    };
    if let Some(error) = failed {
        return second.await.map_err(|other| prefer_answered(error, other));
    }
    tokio::select! {
        ended = &mut first => match ended {
            Err(error) if may_answer_elsewhere(&error) => second.await.map_err(|other| prefer_answered(error, other)),
            ended => ended,
        },
        ended = &mut second => match ended {
            Err(error) if is_unanswered(&error) => first.await,
            Err(busy @ TransportError::Busy { .. }) => {
                first.await.map_err(|other| if is_unanswered(&other) { busy } else { other })
            }
            ended => ended,
        },
    }
}

/// Of two failures, prefers the one that the peer answered with, or else that of the preferred transport.
fn prefer_answered(first: TransportError, second: TransportError) -> TransportError {
    if is_unanswered(&second) { first } else { second }
}

/// Whether the other transport may still reach the peer. Each has places of its own for handshakes.
const fn may_answer_elsewhere(error: &TransportError) -> bool {
    is_unanswered(error) || matches!(error, TransportError::Busy { .. })
}

const fn is_unanswered(error: &TransportError) -> bool {
    matches!(
        error,
        TransportError::Unreachable { .. } | TransportError::TimedOut { .. } | TransportError::Lost { .. }
    )
}

async fn connect_tcp(inner: &EndpointInner, remote: SocketAddr) -> Result<Dialed, TransportError> {
    let name = ServerName::try_from(inner.config.server_name.clone()).map_err(|error| {
        TransportError::argument("serverName", &inner.config.server_name, error.to_string())
    })?;
    let dialed = tcp::dial(remote, inner.tls.tcp_client(), name, exported_label(), inner.tcp_params()).await;
    let connection = dialed.map_err(|error| tcp_failed(inner, remote, &error))?;
    if !inner.tcp.add(&connection) {
        return Err(TransportError::endpoint_closed());
    }
    let connection = Connection::admit(
        RawConnection::Tcp(connection),
        Role::Server,
        &inner.trust,
        inner.error_context(remote),
    )
    .await?;
    connection.lift_restrictions(inner.config.max_concurrent_streams);
    Ok(Dialed { connection, early: None })
}

/// Anything but a refusal by a node means "unreachable": another service may own the TCP port, and a node may still
/// answer over UDP.
fn tcp_failed(inner: &EndpointInner, remote: SocketAddr, error: &io::Error) -> TransportError {
    match tcp::handshake_error(error).map(|error| inner.error_context(remote).explain(&error)) {
        Some(refusal @ (TransportError::Untrusted { .. } | TransportError::Refused { .. })) => refusal,
        _ => {
            TransportError::Unreachable { address: remote.to_string(), reason: format!("over TCP: {error}") }
        }
    }
}

/// One QUIC handshake with one socket address.
async fn connect(
    inner: &EndpointInner,
    remote: SocketAddr,
    tickets: &Arc<Tickets>,
    opening: Option<(Fingerprint, Bytes)>,
) -> Result<Dialed, TransportError> {
    let expected = tickets.peer();
    if expected.is_some_and(|peer| is_distrusted(inner, &peer, remote)) {
        tickets.clear();
    }
    let attempt = tickets.attempt();
    let connecting = begin(inner, remote, &attempt)?;
    // Early data would be sent before the peer has proven the secret on this connection.
    let has_secrets = inner.trust.read(|rules| !rules.secrets.is_empty());
    let is_for = |(expected, _): &(Fingerprint, Bytes)| !has_secrets && attempt.offered() == Some(*expected);
    let opening = opening.filter(is_for).map(|(_, bytes)| bytes);
    let Some(opening) = opening else {
        return finish(inner, remote, &attempt, connecting).await;
    };
    match connecting.into_0rtt() {
        Ok((connection, accepted)) => finish_early(inner, &attempt, connection, accepted, opening).await,
        Err(connecting) => finish(inner, remote, &attempt, connecting).await,
    }
}

/// Begins a handshake, on a new socket if the old one has failed.
fn begin(
    inner: &EndpointInner,
    remote: SocketAddr,
    attempt: &Arc<AttemptTickets>,
) -> Result<quinn::Connecting, TransportError> {
    let begin = |socket: &ClientSocket| {
        let config = inner.tls.client(Arc::clone(attempt));
        socket.endpoint.connect_with(config, remote, &inner.config.server_name)
    };
    let socket = inner.client(remote)?;
    let begun = match begin(&socket) {
        Err(ConnectError::EndpointStopping) => begin(&inner.replace_client(remote, &socket)?),
        begun => begun,
    };
    begun.map_err(|error| connect_error(&error, remote))
}

async fn finish(
    inner: &EndpointInner,
    remote: SocketAddr,
    attempt: &AttemptTickets,
    connecting: quinn::Connecting,
) -> Result<Dialed, TransportError> {
    let connection = connecting.await.map_err(|error| failed(inner, remote, &error))?;
    let connection = authenticate(inner, attempt, RawConnection::Quic(connection)).await?;
    Ok(Dialed { connection, early: None })
}

/// Sends the opening before the handshake is complete. If the peer rejects it, the caller sends it again on another
/// stream.
async fn finish_early(
    inner: &EndpointInner,
    attempt: &AttemptTickets,
    connection: quinn::Connection,
    accepted: quinn::ZeroRttAccepted,
    opening: Bytes,
) -> Result<Dialed, TransportError> {
    let remote = connection.remote_address();
    let opened = connection.open_bi().await.map_err(|error| failed(inner, remote, &error))?;
    let (mut send, recv) = from_quic(opened);
    let mut first = first_chunks(StreamKind::Session, Some(opening));
    let written = send.write_all_chunks(&mut first).await;
    let accepted = accepted.await;
    if let Some(error) = connection.close_reason() {
        return Err(failed(inner, remote, &error));
    }
    let connection = authenticate(inner, attempt, RawConnection::Quic(connection)).await?;
    if !accepted || written.is_err() {
        return Ok(Dialed { connection, early: None });
    }
    inner.pool.count_zero_rtt();
    let mut early = PeerStream::new(Lease::new(&connection), send, recv);
    early.opening_sent = true;
    Ok(Dialed { connection, early: Some(early) })
}

async fn authenticate(
    inner: &EndpointInner,
    attempt: &AttemptTickets,
    connection: RawConnection,
) -> Result<Arc<Connection>, TransportError> {
    let context = inner.error_context(connection.remote_address());
    let connection = Connection::admit(connection, Role::Server, &inner.trust, context).await?;
    connection.lift_restrictions(inner.config.max_concurrent_streams);
    attempt.authenticated(connection.credentials());
    Ok(connection)
}

fn is_distrusted(inner: &EndpointInner, peer: &Credentials, remote: SocketAddr) -> bool {
    inner.trust.read(|rules| rules.check_certificate(peer, remote.ip(), UnixTime::now()).is_err())
}

/// Before the handshake is complete, silence means that the peer is unreachable.
fn failed(inner: &EndpointInner, remote: SocketAddr, error: &ConnectionError) -> TransportError {
    match inner.error_context(remote).explain(error) {
        TransportError::TimedOut { remote, .. } => {
            TransportError::Unreachable { address: remote.to_string(), reason: "no answer".to_owned() }
        }
        error => error,
    }
}

fn connect_error(error: &ConnectError, remote: SocketAddr) -> TransportError {
    match error {
        ConnectError::EndpointStopping => TransportError::endpoint_closed(),
        ConnectError::InvalidRemoteAddress(_) => {
            TransportError::argument("address", &remote, "it is not an address to connect to")
        }
        _ => TransportError::config(&remote, error),
    }
}

/// The head start of the first transport.
const FALLBACK_DELAY: Duration = Duration::from_secs(1);
/// The head start of each address over the next.
const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(250);
