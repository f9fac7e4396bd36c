//! The fallback to TCP where UDP does not get through, under the same trust.

use std::net::UdpSocket;
use std::time::Duration;

use bytes::Bytes;
use vectr_transport::{Endpoint, EndpointConfig, TransportError};

use crate::support::{Node, echo_all, pin_each_other, within};

/// A node that listens over TCP only, and a socket on its UDP port that drops everything.
struct Deaf {
    node: Node,
    address: String,
    swallow: UdpSocket,
}

impl Deaf {
    async fn new() -> Self {
        let node = Node::with(EndpointConfig::default().quic(false).clone());
        loop {
            let listener = node.endpoint.listen("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr();
            // Another process may have this port for UDP.
            let Ok(swallow) = UdpSocket::bind(address) else { continue };
            swallow.set_nonblocking(true).unwrap();
            tokio::spawn(echo_all(listener));
            return Self { node, address: address.to_string(), swallow };
        }
    }

    /// How many datagrams were dropped since last asked.
    fn swallowed(&self) -> usize {
        std::iter::from_fn(|| self.swallow.recv(&mut [0; 2048]).ok()).count()
    }
}

fn impatient() -> EndpointConfig {
    // UDP gets a quarter of it before TCP is tried.
    EndpointConfig::default().connect_timeout(Duration::from_secs(4)).clone()
}

#[tokio::test]
async fn if_udp_is_dropped_tcp_carries_the_same_streams_and_reports_it() {
    let (deaf, client) = (Deaf::new().await, Node::with(impatient()));
    assert_eq!(within(client.exchange(&deaf.address, "over TCP")).await.unwrap(), "over TCP");
    assert!(deaf.swallowed() > 0, "UDP was tried");
    let statistics = client.endpoint.statistics();
    assert_eq!((statistics.created, statistics.fallback), (1, 1));
    let stream = client.endpoint.open(&deaf.address, None).await.unwrap();
    assert!(stream.fallback && stream.peer == deaf.node.fingerprint());
    within(client.endpoint.ping(&deaf.address)).await.unwrap();
    assert_eq!(client.endpoint.statistics().created, 1, "all over one connection");
}

#[tokio::test]
async fn the_next_connection_tries_tcp_first() {
    let (deaf, client) = (Deaf::new().await, Node::with(impatient()));
    within(client.exchange(&deaf.address, "first")).await.unwrap();
    let other = client.endpoint.clone();
    drop_connections(&other, &deaf.address).await;
    deaf.swallowed();
    within(client.exchange(&deaf.address, "second")).await.unwrap();
    assert_eq!(deaf.swallowed(), 0, "TCP answered before UDP was tried again");
    assert_eq!(client.endpoint.statistics().fallback, 2);
}

/// Withdraws all trust and restores it, which ends the connection.
async fn drop_connections(endpoint: &Endpoint, address: &str) {
    endpoint.trust().set_pins([]);
    while endpoint.is_connected(address) {
        tokio::task::yield_now().await;
    }
    endpoint.trust().dangerous().accept_any_peer();
}

#[tokio::test]
async fn if_udp_gets_through_tcp_is_not_used() {
    let (server, client) = (Node::new(), Node::new());
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    within(client.exchange(&address, "hello")).await.unwrap();
    let stream = client.endpoint.open(&address, None).await.unwrap();
    assert!(!stream.fallback);
    assert_eq!(client.endpoint.statistics().fallback, 0);
}

#[tokio::test]
async fn a_lack_of_trust_is_final_over_tcp_too() {
    let (deaf, client) = (Deaf::new().await, Node::with(impatient()));
    client.trust.set_pins([]);
    let error = within(client.exchange(&deaf.address, "secret")).await.unwrap_err();
    assert!(
        matches!(error, TransportError::Untrusted { peer: Some(peer), .. } if peer == deaf.node.fingerprint())
    );
    client.trust.dangerous().accept_any_peer();
    deaf.node.trust.set_pins([]);
    let error = within(client.exchange(&deaf.address, "secret")).await.unwrap_err();
    assert!(matches!(error, TransportError::Refused { .. }), "{error}");
    pin_each_other(&deaf.node, &client);
    assert_eq!(within(client.exchange(&deaf.address, "now")).await.unwrap(), "now");
    deaf.node.trust.unpin(&client.fingerprint());
    let error = within(client.exchange(&deaf.address, "no more")).await.unwrap_err();
    assert!(matches!(error, TransportError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn a_refusal_over_udp_is_not_followed_by_tcp() {
    let (server, client) = (Node::new(), Node::with(impatient()));
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    client.trust.set_pins([]);
    let error = within(client.exchange(&address, "secret")).await.unwrap_err();
    assert!(matches!(error, TransportError::Untrusted { .. }), "{error}");
    assert_eq!(client.endpoint.statistics().created, 0);
}

#[tokio::test]
async fn without_the_fallback_only_udp_is_tried() {
    let mut config = impatient();
    config.fallback(false).connect_timeout(Duration::from_secs(2));
    let (deaf, client) = (Deaf::new().await, Node::with(config));
    let error = client.exchange(&deaf.address, "hello").await.unwrap_err();
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
    let mut neither = EndpointConfig::default();
    neither.quic(false).fallback(false);
    assert_eq!(neither.validate().unwrap_err().code(), "ERR_CONFIG");
}

#[tokio::test]
async fn another_service_on_the_tcp_port_is_skipped() {
    let server = Node::with(EndpointConfig::default().fallback(false).clone());
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    let Ok(other) = tokio::net::TcpListener::bind(&address).await else { return };
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = other.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut socket, b"220 mail ready\r\n").await;
        }
    });
    let client = Node::with(impatient().quic(false).clone());
    let error = within(client.exchange(&address, "hello")).await.unwrap_err();
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
    let client = Node::with(impatient());
    assert_eq!(within(client.exchange(&address, "hello")).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_tcp_port_in_use_is_named_with_a_remedy() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = Node::new().endpoint.listen(&address).await.unwrap_err();
    assert_eq!(error.code(), "ERR_CONFIG");
    assert!(
        error.to_string().contains(&address) && error.to_string().contains("enableFallback: false"),
        "{error}"
    );
    let without = Node::with(EndpointConfig::default().fallback(false).clone());
    // Another process may have this port for UDP, which is not what this tests.
    if let Err(error) = without.endpoint.listen(&address).await {
        assert!(!error.to_string().contains("TCP"), "{error}");
    }
}

#[tokio::test]
async fn closing_a_listener_ends_its_connections_and_frees_both_ports() {
    for _ in 0..5 {
        let (server, client) = (Node::new(), Node::with(impatient().quic(false).clone()));
        let (listener, address) = server.listen().await;
        let (opened, accepted) = tokio::join!(
            async {
                let mut stream = client.endpoint.open(&address, None).await.unwrap();
                stream.send.write(Bytes::from_static(b"!")).await.unwrap();
                stream
            },
            listener.accept()
        );
        let (mut opened, accepted) = (opened, accepted.unwrap());
        assert!(accepted.fallback);
        drop(accepted);
        within(listener.close()).await;
        assert!(within(opened.recv.read()).await.is_err());
        drop(listener);
        let again = server.endpoint.listen(&address).await.unwrap();
        assert_eq!(again.local_addr().to_string(), address);
        within(server.endpoint.close()).await;
        within(client.endpoint.close()).await;
    }
}
