//! Peers that are killed and start again at the same address.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use vectr_transport::{Endpoint, EndpointConfig, Identity, MessengerConfig, TransportError};

use crate::support::talk::{Heard, Talker, keeping, message};
use crate::support::{Node, echo_all, until, within};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Connections that stay silent are kept for as long as the tests may take, and longer.
fn patient(identity: &Identity) -> Node {
    let mut config = EndpointConfig::default();
    config.idle_timeout(Duration::from_secs(600));
    Node::of(identity.clone(), config)
}

/// Listens at `address` once the system has released it.
async fn listen_again(endpoint: &Endpoint, address: &str) -> vectr_transport::Listener {
    let free = async {
        loop {
            if let Ok(listener) = endpoint.listen(address).await {
                return listener;
            }
            tokio::task::yield_now().await;
        }
    };
    within(free).await
}

fn hearing(identity: &Identity) -> (Talker, Heard) {
    let (heard, handler) = keeping();
    let talker = Talker::with(patient(identity), MessengerConfig::default(), handler);
    talker.messenger.subscribe(None);
    (talker, heard)
}

// A message waited for the idle timeout, half a minute, if the peer had no certificate of its own.
#[test]
fn a_message_to_a_restarted_peer_with_another_identity_fails_soon_and_the_next_arrives() {
    let (first_life, here) = (runtime(), runtime());
    let client = here.block_on(async {
        Talker::with(patient(&Identity::ephemeral().unwrap()), MessengerConfig::default(), |_| {})
    });
    let (server, _) = first_life.block_on(async { hearing(&Identity::ephemeral().unwrap()) });
    let address = first_life.block_on(server.listen());
    here.block_on(client.messenger.send(&address, message("s", 1), None)).unwrap();
    // Nothing runs any more that could tell the client when the sockets are closed.
    first_life.shutdown_timeout(Duration::from_secs(10));
    drop(server);

    here.block_on(async {
        let (restarted, heard) = hearing(&Identity::ephemeral().unwrap());
        within(async {
            while restarted.messenger.listen(&address).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let mut expected = vec!["2", "3"];
        // On a busy machine the restart may have been noticed before.
        if let Err(error) = within(client.messenger.send(&address, message("s", 2), None)).await {
            assert_eq!(error.code(), "ERR_PEER_UNREACHABLE");
            assert!(error.to_string().contains("it was restarted"), "{error}");
            expected.remove(0);
        }
        within(client.messenger.send(&address, message("s", 3), None)).await.unwrap();
        until(|| heard.lock().unwrap().len() >= expected.len()).await;
        let ids: Vec<String> = heard.lock().unwrap().iter().map(|(_, message)| message.id.clone()).collect();
        assert_eq!(ids, expected, "what failed is not sent again");
    });
}

#[test]
fn a_stream_to_a_restarted_peer_with_another_identity_fails_soon() {
    let (first_life, here) = (runtime(), runtime());
    let client = patient(&Identity::ephemeral().unwrap());
    let server = patient(&Identity::ephemeral().unwrap());
    let listener = first_life.block_on(server.endpoint.listen("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().to_string();
    first_life.spawn(echo_all(listener));
    here.block_on(client.exchange(&address, "hello")).unwrap();
    first_life.shutdown_background();

    here.block_on(async {
        let restarted = patient(&Identity::ephemeral().unwrap());
        tokio::spawn(echo_all(listen_again(&restarted.endpoint, &address).await));
        let error = within(client.exchange(&address, "are you there?")).await.unwrap_err();
        assert!(matches!(error, TransportError::Lost { .. }) && error.is_transient(), "{error}");
        assert_eq!(within(client.exchange(&address, "again")).await.unwrap(), "again");
    });
}

#[tokio::test]
async fn a_peer_that_is_slow_to_answer_keeps_its_connection() {
    let (server, client) = (Node::new(), Node::new());
    let (listener, address) = server.listen().await;
    client.exchange_with(&listener, &address).await;
    let waiting = tokio::spawn({
        let (endpoint, address) = (client.endpoint.clone(), address.clone());
        async move {
            let mut stream = endpoint.open(&address, None).await?;
            stream.send.write(bytes::Bytes::from_static(b"take your time")).await?;
            stream.send.finish();
            crate::support::read_all(&mut stream.recv).await
        }
    });
    let stream = listener.accept().await.unwrap();
    // Longer than the silence that is noticed: the peer's machine answers, and its application does not.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    crate::support::echo(stream).await.unwrap();
    assert_eq!(within(waiting).await.unwrap().unwrap(), b"take your time");
    assert_eq!(client.endpoint.statistics().created, 1);
}

/// The token with which a socket says that it does not know a connection.
async fn reset_token(address: SocketAddr, connection: [u8; 8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let packet = [&[0x40][..], &connection, &[3; 191]].concat();
    let mut answer = [0; 2048];
    loop {
        socket.send_to(&packet, address).await.unwrap();
        // They are sent at most every 20 ms.
        let answered = tokio::time::timeout(Duration::from_millis(100), socket.recv(&mut answer)).await;
        if let Ok(Ok(length)) = answered {
            return answer[length - 16..length].to_vec();
        }
    }
}

/// Somebody who saw the id of a connection could ask another socket of the node for the token that ends it.
#[tokio::test]
async fn a_socket_does_not_tell_how_to_end_the_connections_of_another() {
    let node = Node::new();
    let ((one, _), (other, _)) = (node.listen().await, node.listen().await);
    let id = [7; 8];
    let token = within(reset_token(one.local_addr(), id)).await;
    assert_ne!(within(reset_token(other.local_addr(), id)).await, token);
    // A node that was started again knows it.
    let address = one.local_addr();
    node.endpoint.close().await;
    let again = Node::of(node.identity.clone(), EndpointConfig::default());
    let listener = again.endpoint.listen(&address.to_string()).await.unwrap();
    assert_eq!(within(reset_token(listener.local_addr(), id)).await, token);
}
