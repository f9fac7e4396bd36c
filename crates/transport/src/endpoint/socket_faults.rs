use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sockets of an endpoint that failed. Each is bound anew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SocketFaultStatistics {
    /// How many sockets have failed so far.
    pub failed: u64,
    /// What is wrong now; `None` once everything is bound again.
    pub current: Option<String>,
}

/// Keeps the [`SocketFaultStatistics`].
#[derive(Clone, Default)]
pub(crate) struct SocketFaults(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    failed: u64,
    current: Vec<(u64, String)>,
}

/// A fault that lasts until this is dropped.
pub(crate) struct SocketFault {
    faults: SocketFaults,
    number: u64,
}

impl SocketFaults {
    pub(crate) fn begin(&self, what: String) -> SocketFault {
        let mut state = self.state();
        state.failed += 1;
        let number = state.failed;
        state.current.push((number, what));
        drop(state);
        SocketFault { faults: self.clone(), number }
    }

    pub(crate) fn statistics(&self) -> SocketFaultStatistics {
        let state = self.state();
        SocketFaultStatistics {
            failed: state.failed,
            current: state.current.first().map(|(_, what)| what.clone()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SocketFault {
    fn drop(&mut self) {
        self.faults.state().current.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, IoSliceMut};
    use std::net::{SocketAddr, UdpSocket};
    use std::pin::Pin;
    use std::sync::{Arc, Weak};
    use std::task::{Context, Poll};

    use quinn::udp::{RecvMeta, Transmit};
    use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};

    use crate::endpoint::inner::EndpointInner;
    use crate::endpoint::listener::Listener;
    use crate::endpoint::sockets::Sockets;
    use crate::{Endpoint, EndpointConfig, Identity, Trust};

    /// A socket that sends, and fails to receive.
    #[derive(Debug)]
    struct Deaf(Arc<dyn AsyncUdpSocket>);

    impl Deaf {
        fn bind(address: SocketAddr) -> Arc<Self> {
            let socket = UdpSocket::bind(address).unwrap();
            Arc::new(Self(TokioRuntime.wrap_udp_socket(socket).unwrap()))
        }
    }

    impl AsyncUdpSocket for Deaf {
        fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
            Arc::clone(&self.0).create_io_poller()
        }

        fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
            self.0.try_send(transmit)
        }

        fn poll_recv(
            &self,
            _: &mut Context<'_>,
            _: &mut [IoSliceMut<'_>],
            _: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::Error::other("out of buffers")))
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            self.0.local_addr()
        }
    }

    fn node() -> Endpoint {
        let identity = Identity::ephemeral().unwrap();
        let config = EndpointConfig { fallback: false, ..EndpointConfig::default() };
        Endpoint::new(&identity, &Trust::this_machine(), config).unwrap()
    }

    /// An endpoint on a deaf socket, which has ended.
    async fn dead(
        inner: &EndpointInner,
        address: SocketAddr,
        accepts: bool,
    ) -> (quinn::Endpoint, Weak<dyn AsyncUdpSocket>) {
        let socket = Deaf::bind(address);
        let watched = Arc::downgrade(&socket);
        let endpoint = inner.tls.endpoint_on(socket, accepts).unwrap();
        assert!(endpoint.accept().await.is_none(), "it ends when it cannot receive");
        (endpoint, watched)
    }

    /// Every later call failed with ERR_CLOSED until the process was started again.
    #[tokio::test]
    async fn a_socket_for_connecting_that_fails_is_bound_anew() {
        let (server, client) = (node(), node());
        let listener = server.listen("127.0.0.1:0").await.unwrap();
        let failed = dead(&client.inner, "127.0.0.1:0".parse().unwrap(), false).await;
        client.inner.use_client(failed.0);
        client.connect(&listener.local_addr().to_string()).await.unwrap();
        let faults = client.socket_faults();
        assert_eq!((faults.failed, faults.current), (1, None));
    }

    /// Nobody was accepted any more, and nothing said so.
    #[tokio::test]
    async fn a_listening_socket_that_fails_is_bound_anew_on_its_port() {
        let (server, client) = (node(), node());
        let local = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let udp = Some(dead(&server.inner, local, true).await);
        let listener = Listener::on(&server.inner, Sockets { local, udp, tcp: None }).await.unwrap();
        let address = listener.local_addr();
        while client.connect(&address.to_string()).await.is_err() {}
        let faults = server.socket_faults();
        assert_eq!((faults.failed, faults.current), (1, None));
        listener.close().await;
        // Its connection may take longer than closing waits.
        while UdpSocket::bind(address).is_err() {
            tokio::task::yield_now().await;
        }
    }
}
