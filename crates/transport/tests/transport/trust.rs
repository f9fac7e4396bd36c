//! Which peers are admitted, which are refused, and what refused peers see.

use bytes::Bytes;
use quinn::ConnectionError;
use vectr_transport::{EndpointConfig, TransportError};

use crate::support::bare::{BareClient, listen_until_closed};
use crate::support::{Node, echo_all, echo_one, pin_each_other, read_all, within};

#[tokio::test]
async fn with_nothing_configured_nodes_of_one_machine_talk() {
    let (server, client) = (Node::new(), Node::new());
    let (listener, address) = server.listen().await;
    let (served, heard) = tokio::join!(echo_one(&listener), client.exchange(&address, "hello"));
    served.unwrap();
    assert_eq!(heard.unwrap(), "hello");
}

/// Needs a non-loopback address to which the machine can talk.
#[tokio::test]
async fn with_nothing_configured_other_addresses_than_loopback_are_refused_on_both_sides() {
    let Some(ip) = other_address() else {
        return eprintln!("skipped: this machine has only loopback addresses");
    };
    let (server, client) = (Node::new(), Node::new());
    let listener = server.endpoint.listen(&std::net::SocketAddr::new(ip, 0).to_string()).await.unwrap();
    let address = listener.local_addr().to_string();
    tokio::spawn(echo_all(listener));
    let error = client.exchange(&address, "hello").await.unwrap_err();
    assert!(matches!(error, TransportError::NoTrustConfigured { .. }), "{error}");
    client.trust.dangerous().accept_any_peer();
    let error = within(client.exchange(&address, "hello")).await.unwrap_err();
    assert!(matches!(error, TransportError::Refused { .. }), "{error}");
    server.trust.dangerous().accept_any_peer();
    assert_eq!(client.exchange(&address, "hello").await.unwrap(), "hello");
}

/// A node without trust called any address, which saw its certificate before the call failed.
#[tokio::test]
async fn with_nothing_configured_no_packet_leaves_for_another_address() {
    let Some(ip) = other_address() else {
        return eprintln!("skipped: this machine has only loopback addresses");
    };
    let udp = std::net::UdpSocket::bind((ip, 0)).unwrap();
    let tcp = std::net::TcpListener::bind(udp.local_addr().unwrap()).unwrap();
    udp.set_nonblocking(true).unwrap();
    tcp.set_nonblocking(true).unwrap();
    let client = Node::new();
    let error = within(client.exchange(&udp.local_addr().unwrap().to_string(), "hello")).await.unwrap_err();
    assert!(error.to_string().contains(&client.fingerprint().to_string()), "{error}");
    assert_eq!((error.code(), error.is_transient()), ("ERR_TRUST", false));
    let nothing = std::io::ErrorKind::WouldBlock;
    assert_eq!(udp.recv(&mut [0; 2_048]).unwrap_err().kind(), nothing);
    assert_eq!(tcp.accept().unwrap_err().kind(), nothing);
}

/// The address that this machine would use towards others. Nothing is sent.
fn other_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
}

#[tokio::test]
async fn both_sides_of_a_stream_know_who_the_other_is() {
    let (server, client) = (Node::new(), Node::new());
    pin_each_other(&server, &client);
    let (listener, address) = server.listen().await;
    let (opened, accepted) = tokio::join!(client.endpoint.open(&address, None), listener.accept());
    let (opened, accepted) = (opened.unwrap(), accepted.unwrap());
    assert_eq!(opened.peer, server.fingerprint());
    assert_eq!(accepted.peer, client.fingerprint());
    assert_eq!(opened.remote, listener.local_addr());
    assert!(accepted.remote.ip().is_loopback());
    assert_eq!(client.endpoint.known_peer(&address), Some(server.fingerprint()));
}

#[tokio::test]
async fn a_client_that_is_not_pinned_gets_no_byte_and_err_trust() {
    let (server, friend, stranger) = (Node::new(), Node::new(), Node::new());
    server.trust.pin(friend.fingerprint());
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    let error = within(stranger.exchange(&address, "let me in")).await.unwrap_err();
    assert_eq!(error.code(), "ERR_TRUST");
    assert!(!error.is_transient());
    let line = format!("pinnedFingerprints: [\"{}\"]", stranger.fingerprint());
    assert!(error.to_string().contains(&line), "{error}");
    assert_eq!(friend.exchange(&address, "hello").await.unwrap(), "hello");
}

#[tokio::test]
async fn a_bare_client_that_is_not_pinned_reads_nothing_until_it_is_closed() {
    let server = Node::new();
    server.trust.set_pins([]);
    let (listener, _) = server.listen().await;
    let remote = listener.local_addr();
    tokio::spawn(echo_all(listener));
    for client in [BareClient::new(), BareClient::without_certificate()] {
        match client.call(remote).await {
            Ok(connection) => {
                let (heard, end) = within(listen_until_closed(&connection)).await;
                assert_eq!(heard, b"");
                assert!(matches!(end, ConnectionError::ConnectionClosed(_)), "{end}");
            }
            Err(end) => assert!(matches!(end, ConnectionError::ConnectionClosed(_)), "{end}"),
        }
    }
}

/// The verifier is not asked on resumption: without a check after it the removed client would be served.
#[tokio::test]
async fn a_removed_pin_is_refused_on_resumption_and_its_early_data_is_never_seen() {
    let (server, friend) = (Node::new(), Node::new());
    let stranger = BareClient::new();
    server.trust.set_pins([stranger.fingerprint, friend.fingerprint()]);
    let (listener, address) = server.listen().await;
    let remote = listener.local_addr();

    let connection = stranger.call(remote).await.unwrap();
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(b"\0hello").await.unwrap();
    send.finish().unwrap();
    echo_one(&listener).await.unwrap();
    assert_eq!(recv.read_to_end(100).await.unwrap(), b"hello", "while it is pinned");
    connection.close(0u32.into(), b"");

    server.trust.unpin(&stranger.fingerprint);
    let Ok((connection, accepted)) = stranger.call(remote).into_0rtt() else { panic!("a ticket has come") };
    let (mut send, mut early) = connection.open_bi().await.unwrap();
    send.write_all(b"\0early data").await.unwrap();
    send.finish().unwrap();
    let (heard, end) = within(listen_until_closed(&connection)).await;
    assert!(!accepted.await, "a change of trust has forgotten the session");
    assert_eq!(heard, b"");
    assert!(early.read_to_end(100).await.is_err());
    // The full handshake that follows ends with TLS' own refusal.
    assert!(matches!(&end, ConnectionError::ConnectionClosed(_)), "{end}");

    let (accepted, opened) = tokio::join!(listener.accept(), friend.endpoint.open(&address, None));
    opened.unwrap();
    assert_eq!(accepted.unwrap().peer, friend.fingerprint(), "nothing of the stranger came before");
}

#[tokio::test]
async fn a_node_that_resumes_after_its_pin_was_removed_gets_err_trust() {
    for opening in [None, Some(Bytes::from_static(b"early"))] {
        let (server, client) = (Node::new(), Node::new());
        pin_each_other(&server, &client);
        let (listener, address) = server.listen().await;
        let listener = client.has_session(&server, listener, &address).await;
        server.trust.unpin(&client.fingerprint());
        let opening = opening.map(|bytes| (server.fingerprint(), bytes));
        tokio::spawn(echo_all(listener));
        let heard = within(async {
            let mut stream = client.endpoint.open(&address, opening).await?;
            read_all(&mut stream.recv).await
        });
        assert_eq!(heard.await.unwrap_err().code(), "ERR_TRUST");
    }
}

#[tokio::test]
async fn a_server_that_is_not_pinned_is_refused_by_name() {
    let (server, client) = (Node::new(), Node::new());
    client.trust.set_pins([]);
    let (listener, address) = server.listen().await;
    let error = client.endpoint.open(&address, None).await.unwrap_err();
    let TransportError::Untrusted { peer, ours, .. } = &error else { panic!("{error}") };
    assert_eq!((*peer, *ours), (Some(server.fingerprint()), Some(client.fingerprint())));
    assert_eq!(client.endpoint.statistics().created, 0);
    drop(listener);
}

#[tokio::test]
async fn a_server_whose_pin_was_removed_is_refused_on_resumption_and_gets_no_early_data() {
    let (server, client, friend) = (Node::new(), Node::new(), Node::new());
    client.trust.pin(server.fingerprint());
    let (listener, address) = server.listen().await;
    let listener = client.has_session(&server, listener, &address).await;
    client.trust.unpin(&server.fingerprint());
    let opening = Some((server.fingerprint(), Bytes::from_static(b"early")));
    let error = client.endpoint.open(&address, opening).await.unwrap_err();
    assert_eq!(error.code(), "ERR_TRUST");
    let (accepted, opened) = tokio::join!(listener.accept(), friend.endpoint.open(&address, None));
    opened.unwrap();
    assert_eq!(accepted.unwrap().peer, friend.fingerprint());
}

#[tokio::test]
async fn a_pin_removed_by_the_server_cuts_a_live_connection() {
    let (server, client) = (Node::new(), Node::new());
    pin_each_other(&server, &client);
    let (listener, address) = server.listen().await;
    let (opened, accepted) = tokio::join!(client.endpoint.open(&address, None), listener.accept());
    let (mut opened, mut accepted) = (opened.unwrap(), accepted.unwrap());
    server.trust.unpin(&client.fingerprint());
    let there = within(opened.recv.read()).await.unwrap_err();
    let here = within(accepted.recv.read()).await.unwrap_err();
    assert!(matches!(there, TransportError::Refused { .. }), "{there}");
    assert!(matches!(here, TransportError::Untrusted { .. }), "{here}");
    let write = accepted.send.write(Bytes::from_static(b"late")).await.unwrap_err();
    assert_eq!(write.code(), "ERR_TRUST");
    let again = within(client.exchange(&address, "again")).await.unwrap_err();
    assert_eq!(again.code(), "ERR_TRUST");
}

#[tokio::test]
async fn a_pin_removed_by_the_client_cuts_a_live_connection() {
    let (server, client) = (Node::new(), Node::new());
    pin_each_other(&server, &client);
    let (listener, address) = server.listen().await;
    let (opened, accepted) = tokio::join!(client.endpoint.open(&address, None), listener.accept());
    let (mut opened, mut accepted) = (opened.unwrap(), accepted.unwrap());
    client.trust.set_pins([]);
    let here = within(opened.recv.read()).await.unwrap_err();
    let there = within(accepted.recv.read()).await.unwrap_err();
    assert!(matches!(here, TransportError::Untrusted { .. }), "{here}");
    assert!(matches!(there, TransportError::Refused { .. }), "{there}");
    assert_eq!(client.endpoint.open(&address, None).await.unwrap_err().code(), "ERR_TRUST");
}

#[tokio::test]
async fn a_peer_that_is_pinned_later_gets_in() {
    let (server, client) = (Node::new(), Node::new());
    server.trust.set_pins([]);
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    assert_eq!(within(client.exchange(&address, "now?")).await.unwrap_err().code(), "ERR_TRUST");
    server.trust.pin(client.fingerprint());
    assert_eq!(client.exchange(&address, "now?").await.unwrap(), "now?");
}

#[tokio::test]
async fn an_unknown_protocol_is_refused_during_the_handshake() {
    let server = Node::new();
    let (listener, _) = server.listen().await;
    let error = BareClient::speaking("vectr/0").call(listener.local_addr()).await.unwrap_err();
    assert!(matches!(error, ConnectionError::ConnectionClosed(_)), "{error}");
}

#[tokio::test]
async fn a_stream_of_an_unknown_kind_is_broken_off_alone() {
    let server = Node::with(EndpointConfig::default());
    let (listener, _) = server.listen().await;
    let client = BareClient::new();
    let connection = client.call(listener.local_addr()).await.unwrap();
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&[200, 1, 2, 3]).await.unwrap();
    let error = recv.read_to_end(10).await.unwrap_err().to_string();
    assert!(error.contains("reset"), "{error}");
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(b"\0fine").await.unwrap();
    let mut accepted = listener.accept().await.unwrap();
    assert_eq!(accepted.recv.read().await.unwrap().unwrap(), "fine");
}
