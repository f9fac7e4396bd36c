use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{ConnectError, ConnectionError};
use rustls::pki_types::{ServerName, UnixTime};
use tokio::task::JoinSet;
use vectr_delta::Fingerprint;

use crate::address::Address;
use crate::connection::raw::{Carrier, of_quic};
use crate::connection::stream::{PeerStream, first_chunks};
use crate::connection::{Lease, Link};
use crate::endpoint::inner::Node;
use crate::protocol::StreamKind;
use crate::tls::Tls;
use crate::tls::tickets::{AttemptTickets, Tickets};
use crate::trust::{Credentials, Role, exported_label};
use crate::{TransportError, tcp};

/// An authenticated new connection, and the stream that its early data opened, if that was accepted.
pub(crate) struct Dialed {
    pub(crate) link: Arc<Link>,
    pub(crate) early: Option<PeerStream>,
}

/// Connects to an address: looks the name up, and tries what it means in order, each a little after the one before,
/// until one answers. Only the first try carries `opening` as early data.
///
/// A refusal for lack of trust is final, whatever else the name may mean.
pub(crate) async fn dial(
    node: Arc<Node>,
    address: Address,
    tickets: Arc<Tickets>,
    opening: Option<(Fingerprint, Bytes)>,
) -> Result<Dialed, TransportError> {
    let limit = node.config.connect_timeout;
    let no_answer = TransportError::Unreachable {
        address: address.to_string(),
        reason: format!(
            "no answer within {limit:?}; is it listening there, and does a firewall let it through?"
        ),
    };
    let race = race(node, &address, tickets, opening);
    tokio::time::timeout(limit, race).await.unwrap_or(Err(no_answer))
}

async fn race(
    node: Arc<Node>,
    address: &Address,
    tickets: Arc<Tickets>,
    mut opening: Option<(Fingerprint, Bytes)>,
) -> Result<Dialed, TransportError> {
    let mut remotes = address.resolve().await?.into_iter();
    let mut tries = JoinSet::new();
    let mut last = None;
    loop {
        let next = remotes.next();
        let more = next.is_some();
        if let Some(remote) = next {
            tries.spawn(reach(Arc::clone(&node), remote, Arc::clone(&tickets), opening.take()));
        }
        tokio::select! {
            Some(ended) = tries.join_next() => match ended {
                Ok(Ok(dialed)) => return Ok(dialed),
                Ok(Err(error)) if !error.is_transient() => return Err(error),
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(TransportError::endpoint_closed()),
            },
            () = tokio::time::sleep(HEAD_START), if more => {}
            else => break,
        }
    }
    Err(last.unwrap_or(TransportError::endpoint_closed()))
}

/// Connects to one socket address: over QUIC or, where that does not answer in time, over TCP; the other way round
/// where UDP has not got through lately. The first that answers is taken, whatever it answers: a refusal is final.
async fn reach(
    node: Arc<Node>,
    remote: SocketAddr,
    tickets: Arc<Tickets>,
    opening: Option<(Fingerprint, Bytes)>,
) -> Result<Dialed, TransportError> {
    let (quic, fallback) = (node.config.quic, node.config.fallback);
    if !fallback {
        return connect(&node, remote, &tickets, opening).await;
    }
    if !quic {
        return connect_tcp(&node, remote).await;
    }
    let tcp_first = node.routes.prefers_tcp(remote);
    let dialed = {
        let over_quic: Dialing<'_> = Box::pin(connect(&node, remote, &tickets, opening));
        let over_tcp: Dialing<'_> = Box::pin(connect_tcp(&node, remote));
        let order = if tcp_first { [over_tcp, over_quic] } else { [over_quic, over_tcp] };
        either(order, FALLBACK_DELAY.min(node.config.connect_timeout / 4)).await?
    };
    node.routes.note(remote, dialed.link.connection.is_fallback());
    Ok(dialed)
}

type Dialing<'a> = Pin<Box<dyn Future<Output = Result<Dialed, TransportError>> + Send + 'a>>;

/// The first of two that succeeds. The second begins where the first has failed, or not succeeded after `delay`.
async fn either(
    [mut first, mut second]: [Dialing<'_>; 2],
    delay: Duration,
) -> Result<Dialed, TransportError> {
    let failed = tokio::select! {
        ended = &mut first => match ended {
            Err(error) if nobody_answered(&error) => Some(error),
            ended => return ended,
        },
        () = tokio::time::sleep(delay) => None,
    };
    if let Some(error) = failed {
        return second.await.map_err(|other| the_answer(error, other));
    }
    tokio::select! {
        ended = &mut first => match ended {
            Err(error) if nobody_answered(&error) => second.await.map_err(|other| the_answer(error, other)),
            ended => ended,
        },
        ended = &mut second => match ended {
            Err(error) if nobody_answered(&error) => first.await,
            ended => ended,
        },
    }
}

/// Of two failures the one that the peer answered with; else the one of the way that is tried first.
fn the_answer(first: TransportError, second: TransportError) -> TransportError {
    if nobody_answered(&second) { first } else { second }
}

/// Whether the other way may still reach the peer.
const fn nobody_answered(error: &TransportError) -> bool {
    matches!(
        error,
        TransportError::Unreachable { .. } | TransportError::TimedOut { .. } | TransportError::Lost { .. }
    )
}

async fn connect_tcp(node: &Node, remote: SocketAddr) -> Result<Dialed, TransportError> {
    let name = ServerName::try_from(node.config.server_name.clone()).map_err(|error| {
        TransportError::argument("serverName", &node.config.server_name, error.to_string())
    })?;
    let dialed = tcp::dial(remote, node.tls.tcp_client(), name, exported_label(), node.terms()).await;
    let connection = dialed.map_err(|error| tcp_failed(node, remote, &error))?;
    if !node.tcp.add(&connection) {
        return Err(TransportError::endpoint_closed());
    }
    let link = Link::admit(Carrier::Tcp(connection), Role::Server, &node.trust, node.ends(remote)).await?;
    Tls::trust_fully(&link.connection);
    Ok(Dialed { link, early: None })
}

/// Whoever answers there and is no node at all may leave UDP to one that is.
fn tcp_failed(node: &Node, remote: SocketAddr, error: &io::Error) -> TransportError {
    match tcp::handshake_error(error).map(|error| node.ends(remote).explain(&error)) {
        Some(refusal @ (TransportError::Untrusted { .. } | TransportError::Refused { .. })) => refusal,
        _ => {
            TransportError::Unreachable { address: remote.to_string(), reason: format!("over TCP: {error}") }
        }
    }
}

/// One handshake with one socket address.
async fn connect(
    node: &Node,
    remote: SocketAddr,
    tickets: &Arc<Tickets>,
    opening: Option<(Fingerprint, Bytes)>,
) -> Result<Dialed, TransportError> {
    let expected = tickets.peer();
    if expected.is_some_and(|peer| is_distrusted(node, &peer, remote)) {
        tickets.clear();
    }
    let attempt = tickets.attempt();
    let config = node.tls.client(Arc::clone(&attempt));
    let connecting = node
        .client(remote)?
        .connect_with(config, remote, &node.config.server_name)
        .map_err(|error| refused_call(&error, remote))?;
    // Early data would leave before the peer has proven the secret anew: there is nothing yet to bind a proof to.
    let has_secrets = node.trust.read(|rules| !rules.secrets.is_empty());
    let is_for = |(expected, _): &(Fingerprint, Bytes)| !has_secrets && attempt.offered() == Some(*expected);
    let opening = opening.filter(is_for).map(|(_, bytes)| bytes);
    let Some(opening) = opening else {
        return finish(node, remote, &attempt, connecting).await;
    };
    match connecting.into_0rtt() {
        Ok((connection, accepted)) => finish_early(node, &attempt, connection, accepted, opening).await,
        Err(connecting) => finish(node, remote, &attempt, connecting).await,
    }
}

async fn finish(
    node: &Node,
    remote: SocketAddr,
    attempt: &AttemptTickets,
    connecting: quinn::Connecting,
) -> Result<Dialed, TransportError> {
    let connection = connecting.await.map_err(|error| failed(node, remote, &error))?;
    let link = authenticate(node, attempt, Carrier::Quic(connection)).await?;
    Ok(Dialed { link, early: None })
}

/// Sends the opening before the handshake is complete. Where the peer rejects it, whoever asked for the stream sends
/// it again on another one.
async fn finish_early(
    node: &Node,
    attempt: &AttemptTickets,
    connection: quinn::Connection,
    accepted: quinn::ZeroRttAccepted,
    opening: Bytes,
) -> Result<Dialed, TransportError> {
    let remote = connection.remote_address();
    let opened = connection.open_bi().await.map_err(|error| failed(node, remote, &error))?;
    let (mut send, recv) = of_quic(opened);
    let mut first = first_chunks(StreamKind::Session, Some(opening));
    let written = send.write_all_chunks(&mut first).await;
    let accepted = accepted.await;
    if let Some(error) = connection.close_reason() {
        return Err(failed(node, remote, &error));
    }
    let link = authenticate(node, attempt, Carrier::Quic(connection)).await?;
    if !accepted || written.is_err() {
        return Ok(Dialed { link, early: None });
    }
    node.pool.count_zero_rtt();
    let mut early = PeerStream::new(Lease::new(&link), send, recv);
    early.opening_sent = true;
    Ok(Dialed { link, early: Some(early) })
}

async fn authenticate(
    node: &Node,
    attempt: &AttemptTickets,
    connection: Carrier,
) -> Result<Arc<Link>, TransportError> {
    let ends = node.ends(connection.remote_address());
    let link = Link::admit(connection, Role::Server, &node.trust, ends).await?;
    attempt.authenticated(link.credentials());
    Ok(link)
}

fn is_distrusted(node: &Node, peer: &Credentials, remote: SocketAddr) -> bool {
    node.trust.read(|rules| rules.check_certificate(peer, remote.ip(), UnixTime::now()).is_err())
}

/// Before the handshake is complete, silence means that nobody is there.
fn failed(node: &Node, remote: SocketAddr, error: &ConnectionError) -> TransportError {
    match node.ends(remote).explain(error) {
        TransportError::TimedOut { remote, .. } => {
            TransportError::Unreachable { address: remote.to_string(), reason: "no answer".to_owned() }
        }
        error => error,
    }
}

fn refused_call(error: &ConnectError, remote: SocketAddr) -> TransportError {
    match error {
        ConnectError::EndpointStopping => TransportError::endpoint_closed(),
        ConnectError::InvalidRemoteAddress(_) => {
            TransportError::argument("address", &remote, "nothing can be reached there")
        }
        _ => TransportError::config(&remote, error),
    }
}

/// How long one way is tried alone.
const FALLBACK_DELAY: Duration = Duration::from_secs(1);
/// How long an address is tried alone.
const HEAD_START: Duration = Duration::from_millis(250);
