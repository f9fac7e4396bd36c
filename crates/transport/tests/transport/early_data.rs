//! Openings that travel as 0-RTT data.

use bytes::Bytes;
use vectr_transport::{Endpoint, EndpointConfig, Fingerprint, Listener, PeerStream};

use crate::support::{Node, echo_all, echo_one, pin_each_other, read_all, within};

fn opening(peer: &Node) -> Option<(Fingerprint, Bytes)> {
    Some((peer.fingerprint(), Bytes::from_static(b"opening,")))
}

/// Writes the rest of the text and reads all of it back.
async fn complete(mut stream: PeerStream) -> String {
    stream.send.write(Bytes::from_static(b"rest")).await.expect("the stream is open");
    stream.send.finish();
    let heard = read_all(&mut stream.recv).await.expect("the peer sends everything back");
    String::from_utf8(heard).expect("only text was sent")
}

#[tokio::test]
async fn accepted_early_data_is_counted_and_arrives_once() {
    let (server, client) = (Node::new(), Node::new());
    pin_each_other(&server, &client);
    let (listener, address) = server.listen().await;
    let listener = client.has_session(&server, listener, &address).await;
    let echo = tokio::spawn(async move { echo_one(&listener).await });
    let stream = client.endpoint.open(&address, opening(&server)).await.unwrap();
    assert!(stream.opening_sent);
    assert_eq!(stream.peer, server.fingerprint());
    assert_eq!(complete(stream).await, "opening,rest");
    echo.await.unwrap().unwrap();
    let statistics = client.endpoint.statistics();
    assert_eq!((statistics.created, statistics.zero_rtt_accepted), (2, 1));
}

#[tokio::test]
async fn a_session_can_be_resumed_many_times() {
    let (server, client) = (Node::new(), Node::new());
    let (mut listener, address) = server.listen().await;
    for round in 0..5 {
        listener = client.has_session(&server, listener, &address).await;
        {
            let opened = client.endpoint.open(&address, opening(&server));
            let (stream, accepted) = tokio::join!(opened, listener.accept());
            assert!(stream.unwrap().opening_sent && accepted.is_some(), "round {round}");
        }
        assert_eq!(client.endpoint.statistics().zero_rtt_accepted, round + 1);
        listener.close().await;
        client.is_disconnected().await;
        drop(listener);
        listener = server.endpoint.listen(&address).await.unwrap();
    }
}

#[tokio::test]
async fn rejected_early_data_is_repeated_invisibly() {
    let (server, client) = (Node::new(), Node::new());
    pin_each_other(&server, &client);
    let (listener, address) = server.listen().await;
    drop(client.has_session(&server, listener, &address).await);
    server.endpoint.close().await;

    // The same identity after a restart: its tickets were kept in memory only.
    let restarted = Node::of(server.identity.clone(), EndpointConfig::default());
    restarted.trust.pin(client.fingerprint());
    let listener = listen_again(&restarted.endpoint, &address).await;
    let echo = tokio::spawn(async move { echo_one(&listener).await });
    let stream = client.endpoint.open(&address, opening(&server)).await.unwrap();
    assert!(stream.opening_sent);
    assert_eq!(complete(stream).await, "opening,rest");
    echo.await.unwrap().unwrap();
    assert_eq!(client.endpoint.statistics().zero_rtt_accepted, 0);
}

#[tokio::test]
async fn an_opening_for_another_peer_is_not_sent() {
    let (server, client, other) = (Node::new(), Node::new(), Node::new());
    pin_each_other(&server, &client);
    pin_each_other(&other, &client);
    let (listener, address) = server.listen().await;
    drop(client.has_session(&server, listener, &address).await);
    server.endpoint.close().await;
    let listener = listen_again(&other.endpoint, &address).await;
    let echo = tokio::spawn(async move { echo_one(&listener).await });

    let stream = client.endpoint.open(&address, opening(&server)).await.unwrap();
    assert!(!stream.opening_sent);
    assert_eq!(stream.peer, other.fingerprint());
    assert_eq!(complete(stream).await, "rest");
    echo.await.unwrap().unwrap();
    assert_eq!(client.endpoint.known_peer(&address), Some(other.fingerprint()));
}

#[tokio::test]
async fn an_opening_on_a_live_connection_is_written_at_once() {
    let (server, client, other) = (Node::new(), Node::new(), Node::new());
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    assert_eq!(client.endpoint.known_peer(&address), None);
    client.exchange(&address, "first").await.unwrap();
    assert_eq!(client.endpoint.known_peer(&address), Some(server.fingerprint()));
    let stream = client.endpoint.open(&address, opening(&server)).await.unwrap();
    assert!(stream.opening_sent);
    assert_eq!(complete(stream).await, "opening,rest");
    let stream = client.endpoint.open(&address, opening(&other)).await.unwrap();
    assert!(!stream.opening_sent);
    assert_eq!(complete(stream).await, "rest");
    assert_eq!(client.endpoint.statistics().created, 1);
}

#[tokio::test]
async fn sessions_of_one_address_are_never_offered_to_another() {
    let (a, b, client) = (Node::new(), Node::new(), Node::new());
    let (listener_a, address_a) = a.listen().await;
    let (listener_b, address_b) = b.listen().await;
    let listener_a = client.has_session(&a, listener_a, &address_a).await;
    let listener_b = client.has_session(&b, listener_b, &address_b).await;
    tokio::spawn(echo_all(listener_a));
    tokio::spawn(echo_all(listener_b));
    for (node, address) in [(&a, &address_a), (&b, &address_b)] {
        let stream = client.endpoint.open(address, opening(node)).await.unwrap();
        assert_eq!((stream.peer, stream.opening_sent), (node.fingerprint(), true));
        assert_eq!(complete(stream).await, "opening,rest");
    }
    assert_eq!(client.endpoint.statistics().zero_rtt_accepted, 2);
}

#[tokio::test]
async fn without_0rtt_on_either_side_an_opening_still_arrives() {
    for (server_has_it, client_has_it) in [(false, true), (true, false)] {
        let config = |enable_0rtt| EndpointConfig::default().enable_0rtt(enable_0rtt).clone();
        let (server, client) = (Node::with(config(server_has_it)), Node::with(config(client_has_it)));
        let (listener, address) = server.listen().await;
        let listener = client.has_session(&server, listener, &address).await;
        tokio::spawn(echo_all(listener));
        let stream = client.endpoint.open(&address, opening(&server)).await.unwrap();
        assert!(stream.opening_sent);
        assert_eq!(complete(stream).await, "opening,rest");
        assert_eq!(client.endpoint.statistics().zero_rtt_accepted, 0);
    }
}

/// A restarted peer used to be noticed only after the idle timeout of the connection to its last life.
#[test]
fn a_connection_to_the_last_life_of_a_restarted_peer_ends_at_once() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (first_life, here) = (runtime(), runtime());
    let server = first_life.block_on(async { Node::new() });
    let listener = first_life.block_on(server.endpoint.listen("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().to_string();
    first_life.spawn(echo_all(listener));
    let client = Node::new();
    here.block_on(client.exchange(&address, "hello")).unwrap();
    first_life.shutdown_background();

    here.block_on(async {
        let restarted = Node::of(server.identity.clone(), EndpointConfig::default());
        let listener = listen_again(&restarted.endpoint, &address).await;
        tokio::spawn(echo_all(listener));
        // It may have been noticed before: then a new connection has carried this already.
        if let Err(error) = within(client.exchange(&address, "are you there?")).await {
            assert!(matches!(error, vectr_transport::TransportError::Lost { .. }), "{error}");
            assert!(error.is_transient());
        }
        assert_eq!(within(client.exchange(&address, "again")).await.unwrap(), "again");
    });
}

/// The socket of a runtime that ended may take a moment to be released.
async fn listen_again(endpoint: &Endpoint, address: &str) -> Listener {
    within(async {
        loop {
            if let Ok(listener) = endpoint.listen(address).await {
                return listener;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}
