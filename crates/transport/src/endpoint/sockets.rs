use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use quinn::AsyncUdpSocket;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::EndpointConfig;
use crate::endpoint::tcp_connections::TcpConnections;
use crate::limits::CLOSE_TIMEOUT;
use crate::protocol::CloseCode;
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

/// The open sockets of a listener, which its endpoint can close too.
pub(crate) struct ListenerSockets {
    udp: Mutex<Option<(quinn::Endpoint, Weak<dyn AsyncUdpSocket>)>>,
    tcp: Mutex<Option<JoinHandle<()>>>,
    /// Connections accepted over TCP.
    pub(crate) connections: Arc<TcpConnections>,
}

impl ListenerSockets {
    pub(crate) fn new(
        udp: Option<(quinn::Endpoint, Weak<dyn AsyncUdpSocket>)>,
        tcp: Option<JoinHandle<()>>,
        connections: Arc<TcpConnections>,
    ) -> Self {
        Self { udp: Mutex::new(udp), tcp: Mutex::new(tcp), connections }
    }

    /// Resolves once the peers have been notified and the port is free, or after a second.
    pub(crate) async fn close(&self) {
        let until = Instant::now() + CLOSE_TIMEOUT;
        let (udp, tcp, connections) = self.shut_down();
        if let Some(tcp) = tcp {
            // The socket is closed once the task has ended.
            let _ = tcp.await;
        }
        if let Some((endpoint, socket)) = udp {
            let _ = tokio::time::timeout_at(until.into(), endpoint.wait_idle()).await;
            drop(endpoint);
            while socket.strong_count() > 0 && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        for connection in connections {
            let _ = tokio::time::timeout_at(until.into(), connection.socket_closed()).await;
        }
    }

    fn shut_down(&self) -> Shutdown {
        let udp = self.udp.lock().unwrap_or_else(PoisonError::into_inner).take();
        let tcp = self.tcp.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((endpoint, _)) = &udp {
            endpoint.close(CloseCode::Done.into(), b"closed");
        }
        if let Some(tcp) = &tcp {
            tcp.abort();
        }
        (udp, tcp, self.connections.close())
    }
}

impl Drop for ListenerSockets {
    fn drop(&mut self) {
        self.shut_down();
    }
}

type Shutdown = (
    Option<(quinn::Endpoint, Weak<dyn AsyncUdpSocket>)>,
    Option<JoinHandle<()>>,
    Vec<crate::tcp::TcpConnection>,
);

/// How many ports to try.
const MAX_PORT_TRIES: usize = 16;
