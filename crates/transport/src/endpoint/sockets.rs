use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use quinn::AsyncUdpSocket;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::EndpointConfig;
use crate::endpoint::socket_faults::SocketFaults;
use crate::endpoint::tcp_connections::TcpConnections;
use crate::limits::CLOSE_TIMEOUT;
use crate::protocol::CloseCode;
use crate::tcp::TcpConnection;
use crate::tls::Tls;

/// The sockets of a listener: UDP and TCP on the same port.
pub(crate) struct Sockets {
    pub(crate) local: SocketAddr,
    pub(crate) udp: Option<(quinn::Endpoint, Weak<dyn AsyncUdpSocket>)>,
    pub(crate) tcp: Option<TcpListener>,
}

impl Sockets {
    /// Binds the sockets that the configuration asks for. For port 0, looks for a port that is free for both.
    pub(crate) async fn bind(tls: &Tls, config: &EndpointConfig, local: SocketAddr) -> io::Result<Self> {
        if !config.quic {
            let tcp = TcpListener::bind(local).await?;
            return Ok(Self { local: tcp.local_addr()?, udp: None, tcp: Some(tcp) });
        }
        let mut left = if local.port() == 0 { MAX_PORT_TRIES } else { 1 };
        loop {
            let udp = tls.bind(local, true)?;
            let bound = udp.0.local_addr()?;
            if !config.fallback {
                return Ok(Self { local: bound, udp: Some(udp), tcp: None });
            }
            left -= 1;
            match TcpListener::bind(bound).await {
                Ok(tcp) => return Ok(Self { local: bound, udp: Some(udp), tcp: Some(tcp) }),
                Err(error) if left == 0 => return Err(tcp_port_taken(&error)),
                Err(_) => {}
            }
        }
    }
}

/// The TCP port is in use, for example by a web server.
fn tcp_port_taken(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("over TCP: {error}: free that port, or set enableFallback: false"))
}

/// The sockets of a listener, which its endpoint can close too.
pub(crate) struct ListenerSockets {
    local: SocketAddr,
    udp: Mutex<Option<quinn::Endpoint>>,
    /// Tells when the last user of the UDP socket has released it.
    udp_socket: Mutex<Option<Weak<dyn AsyncUdpSocket>>>,
    tcp: Option<AbortHandle>,
    closed: watch::Sender<bool>,
    /// Connections accepted over TCP.
    pub(crate) connections: Arc<TcpConnections>,
}

impl ListenerSockets {
    pub(crate) fn new(
        local: SocketAddr,
        udp: Option<(quinn::Endpoint, Weak<dyn AsyncUdpSocket>)>,
        tcp: Option<AbortHandle>,
        connections: Arc<TcpConnections>,
    ) -> Self {
        let (udp, udp_socket) = udp.unzip();
        let (udp, udp_socket) = (Mutex::new(udp), Mutex::new(udp_socket));
        Self { local, udp, udp_socket, tcp, closed: watch::Sender::new(false), connections }
    }

    /// The endpoint of the UDP socket; `None` if there is none, or it is closed.
    pub(crate) fn udp(&self) -> Option<quinn::Endpoint> {
        lock(&self.udp).clone()
    }

    /// Binds the UDP socket anew after it has failed, and again until that succeeds. False if the listener was closed.
    pub(crate) async fn rebind(&self, tls: &Tls, faults: &SocketFaults) -> bool {
        if self.is_closed() {
            return false;
        }
        let fault = faults.begin(format!("the UDP socket on {} failed and is being bound anew", self.local));
        // The port is taken for as long as anybody holds the old one.
        drop(lock(&self.udp).take());
        let mut closed = self.closed.subscribe();
        loop {
            if self.is_released()
                && let Ok((endpoint, socket)) = tls.bind(self.local, true)
            {
                let mut udp = lock(&self.udp);
                // Under the lock that closing takes.
                if self.is_closed() {
                    return false;
                }
                *udp = Some(endpoint);
                *lock(&self.udp_socket) = Some(socket);
                drop(fault);
                return true;
            }
            tokio::select! {
                _ = closed.wait_for(|closed| *closed) => return false,
                () = tokio::time::sleep(REBIND_DELAY) => {}
            }
        }
    }

    /// Resolves once the peers have been notified and the port is free, or after a second.
    pub(crate) async fn close(&self) {
        let until = Instant::now() + CLOSE_TIMEOUT;
        let (udp, connections) = self.shut_down();
        if let Some(endpoint) = udp {
            let _ = tokio::time::timeout_at(until.into(), endpoint.wait_idle()).await;
        }
        while !self.is_released() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for connection in connections {
            let _ = tokio::time::timeout_at(until.into(), connection.socket_closed()).await;
        }
    }

    /// Stops accepting, and closes all connections. The sockets are released soon after.
    pub(crate) fn shut_down(&self) -> (Option<quinn::Endpoint>, Vec<TcpConnection>) {
        let udp = {
            let mut udp = lock(&self.udp);
            self.closed.send_replace(true);
            udp.take()
        };
        if let Some(endpoint) = &udp {
            endpoint.close(CloseCode::Done.into(), b"closed");
        }
        if let Some(tcp) = &self.tcp {
            tcp.abort();
        }
        (udp, self.connections.close())
    }

    /// Whether nobody holds a socket of the listener any more.
    pub(crate) fn is_released(&self) -> bool {
        lock(&self.udp).is_none()
            && lock(&self.udp_socket).as_ref().is_none_or(|socket| socket.strong_count() == 0)
            && self.tcp.as_ref().is_none_or(|tcp| tcp.is_finished() || !self.is_closed())
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long to wait before a socket that cannot be bound is tried again.
const REBIND_DELAY: Duration = Duration::from_millis(200);
/// How many ports to try.
const MAX_PORT_TRIES: usize = 16;
