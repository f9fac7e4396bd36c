//! Connections: shared, limited, closed.

mod restarts;

use std::time::Duration;

use bytes::Bytes;
use vectr_transport::{EndpointConfig, TransportError};

use crate::support::{Node, echo_all, until, within};

fn impatient() -> EndpointConfig {
    EndpointConfig::default().connect_timeout(Duration::from_millis(300)).clone()
}

#[tokio::test]
async fn one_connection_serves_all_streams_to_an_address() {
    let (server, client) = (Node::new(), Node::new());
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    for _ in 0..3 {
        client.exchange(&address, "hello").await.unwrap();
    }
    let stream = client.endpoint.open(&address, None).await.unwrap();
    let statistics = client.endpoint.statistics();
    assert_eq!((statistics.created, statistics.active, statistics.idle, statistics.closed), (1, 1, 0, 0));
    drop(stream);
    let statistics = client.endpoint.statistics();
    assert_eq!((statistics.active, statistics.idle), (0, 1));
    client.endpoint.close().await;
    let statistics = client.endpoint.statistics();
    assert_eq!((statistics.active, statistics.idle, statistics.closed), (0, 0, 1));
}

#[tokio::test]
async fn opens_at_once_share_one_connection_attempt() {
    let (server, client) = (Node::new(), Node::new());
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    let opens: Vec<_> = (0..20)
        .map(|_| {
            let (endpoint, address) = (client.endpoint.clone(), address.clone());
            tokio::spawn(async move { endpoint.open(&address, None).await })
        })
        .collect();
    for open in opens {
        open.await.unwrap().unwrap();
    }
    assert_eq!(client.endpoint.statistics().created, 1);
}

#[tokio::test]
async fn connecting_beforehand_joins_the_attempt_and_leaves_the_connection_to_the_next_stream() {
    let (server, client) = (Node::new(), Node::new());
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    let connects: Vec<_> = (0..20)
        .map(|_| {
            let (endpoint, address) = (client.endpoint.clone(), address.clone());
            tokio::spawn(async move { endpoint.connect(&address).await })
        })
        .collect();
    for connect in connects {
        assert_eq!(connect.await.unwrap(), Ok(server.fingerprint()));
    }
    let statistics = client.endpoint.statistics();
    assert_eq!((statistics.created, statistics.active, statistics.idle), (1, 0, 1), "no stream is held");
    assert_eq!(client.endpoint.connect(&address).await, Ok(server.fingerprint()));
    assert_eq!(client.exchange(&address, "hello").await.unwrap(), "hello");
    assert_eq!(client.endpoint.statistics().created, 1);
}

#[tokio::test]
async fn connecting_fails_as_opening_does() {
    let client = Node::with(impatient());
    let unused = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = unused.local_addr().unwrap().to_string();
    assert_eq!(client.endpoint.connect(&silent).await.unwrap_err().code(), "ERR_PEER_UNREACHABLE");
    assert_eq!(client.endpoint.connect("host:99999").await.unwrap_err().code(), "ERR_ARGUMENT");
    let waiting = client.endpoint.connect(&silent);
    let (ended, ()) = tokio::join!(waiting, client.endpoint.close());
    assert_eq!(ended.unwrap_err().code(), "ERR_CLOSED");
    assert_eq!(client.endpoint.connect(&silent).await.unwrap_err().code(), "ERR_CLOSED");
}

/// A connection made before trust was withdrawn must not be used.
#[tokio::test]
async fn connecting_checks_the_current_trust() {
    let (server, client) = (Node::new(), Node::new());
    let (_listener, address) = server.listen().await;
    client.endpoint.connect(&address).await.unwrap();
    client.trust.set_pins([client.fingerprint()]);
    assert_eq!(client.endpoint.connect(&address).await.unwrap_err().code(), "ERR_TRUST");
}

#[tokio::test]
async fn an_attempt_outlives_the_caller_who_gives_up() {
    let (server, client) = (Node::new(), Node::new());
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    // On this runtime of one thread nothing else runs before it gives up.
    tokio::select! {
        biased;
        _ = client.endpoint.open(&address, None) => panic!("it was there before it was called"),
        () = std::future::ready(()) => {}
    }
    until(|| client.endpoint.statistics().created == 1).await;
    assert_eq!(client.exchange(&address, "hello").await.unwrap(), "hello");
    assert_eq!(client.endpoint.statistics().created, 1);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable_after_the_connect_timeout() {
    let client = Node::with(impatient());
    let unused = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap().to_string();
    let (a, b) = tokio::join!(client.endpoint.open(&address, None), client.endpoint.ping(&address));
    for error in [a.unwrap_err(), b.unwrap_err()] {
        assert_eq!(error.code(), "ERR_PEER_UNREACHABLE");
        assert!(error.is_transient() && error.to_string().contains(&address), "{error}");
    }
    assert_eq!(client.endpoint.statistics().created, 0);
}

/// The idle timeout of a handshake used to be reported as that of a connection.
#[tokio::test]
async fn an_address_without_answer_is_unreachable_even_if_the_idle_timeout_comes_first() {
    let idle_timeout = Duration::from_secs(1);
    let client = Node::with(
        EndpointConfig::default().idle_timeout(idle_timeout).connect_timeout(Duration::from_secs(60)).clone(),
    );
    let unused = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap().to_string();
    let error = client.endpoint.open(&address, None).await.unwrap_err();
    assert_eq!(error.code(), "ERR_PEER_UNREACHABLE");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_unreachable() {
    let client = Node::with(impatient());
    // Without any trust the name would not even be looked up.
    client.trust.pin(client.fingerprint());
    let error = client.endpoint.open("no-such-host.invalid:1", None).await.unwrap_err();
    assert_eq!(error.code(), "ERR_PEER_UNREACHABLE");
    assert!(error.to_string().contains("no-such-host.invalid:1"), "{error}");
}

#[tokio::test]
async fn the_idle_connection_used_least_recently_makes_room() {
    let client = Node::with(impatient().max_connections(2).clone());
    let server = Node::new();
    let mut addresses = Vec::new();
    for _ in 0..3 {
        let (listener, address) = server.listen().await;
        tokio::spawn(echo_all(listener));
        addresses.push(address);
    }
    for address in [&addresses[0], &addresses[1], &addresses[0], &addresses[2]] {
        client.exchange(address, "hello").await.unwrap();
    }
    let statistics = client.endpoint.statistics();
    assert_eq!((statistics.created, statistics.idle, statistics.closed), (3, 2, 1));
    client.exchange(&addresses[0], "still there").await.unwrap();
    assert_eq!(client.endpoint.statistics().created, 3, "the second was closed, not the first");
}

#[tokio::test]
async fn a_pool_full_of_busy_connections_says_so() {
    let client = Node::with(impatient().max_connections(1).clone());
    let server = Node::new();
    let (_first, first) = server.listen().await;
    let (_second, second) = server.listen().await;
    let busy = client.endpoint.open(&first, None).await.unwrap();
    let error = client.endpoint.open(&second, None).await.unwrap_err();
    assert_eq!(error.code(), "ERR_LIMIT");
    drop(busy);
    client.endpoint.open(&second, None).await.unwrap();
}

#[tokio::test]
async fn connections_beyond_the_limit_are_not_accepted() {
    let server = Node::with(EndpointConfig::default().max_connections(1).clone());
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    let (first, second) = (Node::new(), Node::new());
    first.exchange(&address, "hello").await.unwrap();
    let error = second.exchange(&address, "hello").await.unwrap_err();
    assert_eq!(error.code(), "ERR_BUSY");
    assert!(error.is_transient());
    first.endpoint.close().await;
    within(async { while second.exchange(&address, "now").await.is_err() {} }).await;
}

#[tokio::test]
async fn a_ping_is_a_real_round_trip() {
    let (server, client) = (Node::new(), Node::new());
    let (listener, address) = server.listen().await;
    assert!(client.endpoint.ping(&address).await.unwrap() > Duration::ZERO);
    assert!(client.endpoint.ping(&address).await.unwrap() > Duration::ZERO);
    assert_eq!(client.endpoint.statistics().created, 1);
    let (opened, accepted) = tokio::join!(client.endpoint.open(&address, None), listener.accept());
    assert!(opened.is_ok() && accepted.is_some(), "pings never come out of accept");
}

#[tokio::test]
async fn a_closed_endpoint_stays_closed() {
    let (server, client) = (Node::new(), Node::new());
    let (listener, address) = server.listen().await;
    let opened = client.endpoint.open(&address, None);
    let (opened, accepted) = tokio::join!(opened, listener.accept());
    let (mut opened, mut accepted) = (opened.unwrap(), accepted.unwrap());
    client.endpoint.close().await;
    client.endpoint.close().await;
    client.endpoint.clone().close().await;
    assert_eq!(opened.recv.read().await.unwrap_err().code(), "ERR_CLOSED");
    let there = within(accepted.recv.read()).await.unwrap_err();
    assert!(matches!(there, TransportError::Lost { .. }), "{there}");
    for error in [
        client.endpoint.open(&address, None).await.unwrap_err(),
        client.endpoint.ping(&address).await.unwrap_err(),
        client.endpoint.listen("127.0.0.1:0").await.unwrap_err(),
    ] {
        assert_eq!(error.code(), "ERR_CLOSED");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn closing_ends_a_waiting_open_and_a_waiting_accept() {
    let node = Node::new();
    let (listener, _) = node.listen().await;
    // Neither over UDP nor over TCP does anybody answer.
    let unused = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let _unused = std::net::TcpListener::bind(unused.local_addr().unwrap()).unwrap();
    let silent = unused.local_addr().unwrap().to_string();
    let endpoint = node.endpoint.clone();
    let open = tokio::spawn(async move { endpoint.open(&silent, None).await });
    let accept = tokio::spawn(async move { listener.accept().await.is_none() });
    tokio::task::yield_now().await;
    node.endpoint.close().await;
    assert!(accept.await.unwrap());
    assert_eq!(open.await.unwrap().unwrap_err().code(), "ERR_CLOSED");
}

#[tokio::test]
async fn a_closed_listener_frees_its_port_and_leaves_the_endpoint_open() {
    let (server, client) = (Node::new(), Node::new());
    let (listener, address) = server.listen().await;
    client.endpoint.ping(&address).await.unwrap();
    listener.close().await;
    listener.close().await;
    assert!(listener.accept().await.is_none());
    let _again = server.endpoint.listen(&address).await.unwrap();
    within(async { while client.endpoint.ping(&address).await.is_err() {} }).await;
}

#[tokio::test]
async fn a_taken_port_is_reported_by_name() {
    let server = Node::new();
    let (_listener, address) = server.listen().await;
    let error = server.endpoint.listen(&address).await.unwrap_err();
    assert_eq!(error.code(), "ERR_CONFIG");
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn ipv6_and_names_work() {
    let (server, client) = (Node::new(), Node::new());
    let ipv6 = server.endpoint.listen("[::1]:0").await.unwrap();
    assert!(ipv6.local_addr().is_ipv6());
    let v6 = ipv6.local_addr().to_string();
    tokio::spawn(echo_all(ipv6));
    assert_eq!(client.exchange(&v6, "over IPv6").await.unwrap(), "over IPv6");

    let named = server.endpoint.listen("localhost:0").await.unwrap();
    let name = format!("LocalHost:{}", named.local_addr().port());
    tokio::spawn(echo_all(named));
    assert_eq!(client.exchange(&name, "by name").await.unwrap(), "by name");
    assert_eq!(client.endpoint.known_peer(&name.to_lowercase()), Some(server.fingerprint()));
    assert_eq!(client.endpoint.statistics().created, 2);
}

#[tokio::test]
async fn a_listener_on_every_interface_is_reached_over_loopback() {
    let (server, client) = (Node::new(), Node::new());
    let listener = server.endpoint.listen("[::]:0").await.unwrap();
    let port = listener.local_addr().port();
    tokio::spawn(echo_all(listener));
    for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        assert_eq!(client.exchange(&address, "hello").await.unwrap(), "hello");
    }
}

#[tokio::test]
async fn a_malformed_address_is_an_argument_error() {
    let node = Node::new();
    for address in ["", "host:0", "host:99999", "[::1", "https://host", "a b", "0.0.0.0:1"] {
        let error = node.endpoint.open(address, Some((node.fingerprint(), Bytes::new()))).await.unwrap_err();
        assert_eq!(error.code(), "ERR_ARGUMENT", "{address}");
        assert!(!error.is_transient());
        assert_eq!(node.endpoint.known_peer(address), None);
    }
    for address in ["", "host:99999", "[::1"] {
        assert_eq!(node.endpoint.listen(address).await.unwrap_err().code(), "ERR_ARGUMENT", "{address}");
    }
}
