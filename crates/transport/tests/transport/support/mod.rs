//! Nodes on loopback sockets, and bare clients and servers that ignore this crate's rules.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::needless_pass_by_value)]

use std::future::Future;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use vectr_transport::{
    Endpoint, EndpointConfig, Fingerprint, Identity, Listener, PeerStream, RecvHalf, TlsConfig,
    TransportError, Trust,
};

pub mod bare;
pub mod bare_tcp;
pub mod certificates;
pub mod talk;

/// A node whose trust starts with nothing configured.
pub struct Node {
    pub identity: Identity,
    pub trust: Trust,
    pub endpoint: Endpoint,
}

impl Node {
    pub fn new() -> Self {
        Self::with(EndpointConfig::default())
    }

    pub fn with(config: EndpointConfig) -> Self {
        Self::of(Identity::ephemeral().unwrap(), config)
    }

    pub fn of(identity: Identity, mut config: EndpointConfig) -> Self {
        // `VECTR_TEST_CARRIER=tcp`: the same tests over the fallback alone.
        if std::env::var("VECTR_TEST_CARRIER").is_ok_and(|carrier| carrier == "tcp") {
            config.quic = false;
        }
        let trust = Trust::this_machine();
        let endpoint = Endpoint::new(&identity, &trust, config).unwrap();
        Self { identity, trust, endpoint }
    }

    /// A node with this trust configuration.
    pub fn configured(tls: &TlsConfig) -> Self {
        Self::configured_with(tls, EndpointConfig::default())
    }

    pub fn configured_with(tls: &TlsConfig, config: EndpointConfig) -> Self {
        let (rules, given) = tls.load().unwrap();
        let identity = given.unwrap_or_else(|| Identity::ephemeral().unwrap());
        let node = Self::of(identity, config);
        node.trust.set(rules);
        node
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.endpoint.fingerprint()
    }

    pub async fn listen(&self) -> (Listener, String) {
        let listener = self.endpoint.listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().to_string();
        (listener, address)
    }

    /// Opens a stream, sends one text and reads one back.
    pub async fn exchange(&self, address: &str, text: &'static str) -> Result<String, TransportError> {
        let mut stream = self.endpoint.open(address, None).await?;
        stream.send.write(Bytes::from_static(text.as_bytes())).await?;
        stream.send.finish();
        Ok(String::from_utf8(read_all(&mut stream.recv).await?).unwrap())
    }

    /// Connects to a listener, and is answered once.
    pub async fn exchange_with(&self, listener: &Listener, address: &str) {
        let (served, exchanged) = tokio::join!(echo_one(listener), self.exchange(address, "hello"));
        served.unwrap();
        exchanged.unwrap();
    }

    /// Has a session with `address` that can be resumed, and no connection: the listener closes and comes back.
    pub async fn has_session(&self, server: &Self, listener: Listener, address: &str) -> Listener {
        let exchanged = self.exchange(address, "first contact");
        let (served, exchanged) = tokio::join!(echo_one(&listener), exchanged);
        served.unwrap();
        exchanged.unwrap();
        listener.close().await;
        self.is_disconnected().await;
        assert_eq!(self.endpoint.known_peer(address), Some(server.fingerprint()), "a ticket has come");
        drop(listener);
        server.endpoint.listen(address).await.unwrap()
    }

    pub async fn is_disconnected(&self) {
        let connections = || {
            let statistics = self.endpoint.statistics();
            statistics.active + statistics.idle
        };
        until(|| connections() == 0).await;
    }
}

/// Both pin the other.
pub fn pin_each_other(a: &Node, b: &Node) {
    a.trust.pin(b.fingerprint());
    b.trust.pin(a.fingerprint());
}

pub async fn read_all(recv: &mut RecvHalf) -> Result<Vec<u8>, TransportError> {
    let mut all = BytesMut::new();
    while let Some(bytes) = recv.read().await? {
        assert!(!bytes.is_empty());
        all.extend_from_slice(&bytes);
    }
    Ok(all.to_vec())
}

/// Accepts one stream, and sends everything back.
pub async fn echo_one(listener: &Listener) -> Result<(), TransportError> {
    echo(listener.accept().await.expect("the listener is open")).await
}

pub async fn echo(mut stream: PeerStream) -> Result<(), TransportError> {
    while let Some(bytes) = stream.recv.read().await? {
        stream.send.write(bytes).await?;
    }
    stream.send.finish();
    stream.send.delivered().await
}

/// Sends everything back on every stream, until the listener is closed.
pub async fn echo_all(listener: Listener) {
    while let Some(stream) = listener.accept().await {
        tokio::spawn(echo(stream));
    }
}

/// Waits for a condition that becomes true by itself.
pub async fn until(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Fails a test instead of letting it hang.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("it ends by itself")
}
