//! Members of a cluster prove that they know its secret; all others are refused.

use bytes::Bytes;
use quinn::ConnectionError;
use vectr_transport::{EndpointConfig, TlsConfig, TlsSecret, TransportError};

use crate::support::bare::{BareClient, BareServer, listen_until_closed};
use crate::support::{Node, echo_all, read_all, within};

fn knowing(secrets: &[&str]) -> TlsConfig {
    let secret = |text: &&str| TlsSecret { name: "secret", text: (*text).to_owned() };
    TlsConfig::default().secrets(secrets.iter().map(secret).collect()).clone()
}

const OLD: &str = "the old secret of the cluster";
const NEW: &str = "the new secret of the cluster";
/// What the application sends. An outsider must never read it.
const GREETING: &[u8] = b"application bytes";

/// A listening node that sends something on every stream unasked.
async fn talkative(tls: &TlsConfig) -> (Node, std::net::SocketAddr) {
    let node = Node::configured(tls);
    let (listener, _) = node.listen().await;
    let remote = listener.local_addr();
    tokio::spawn(async move {
        while let Some(mut stream) = listener.accept().await {
            let _ = stream.send.write(Bytes::from_static(GREETING)).await;
            tokio::spawn(crate::support::echo(stream));
        }
    });
    (node, remote)
}

async fn greeted(client: &Node, remote: std::net::SocketAddr) -> Result<Vec<u8>, TransportError> {
    within(async {
        let mut stream = client.endpoint.open(&remote.to_string(), None).await?;
        stream.send.finish();
        read_all(&mut stream.recv).await
    })
    .await
}

fn is_refusal(end: &ConnectionError) -> bool {
    matches!(end, ConnectionError::ApplicationClosed(close) if close.error_code == 1u32.into())
}

#[tokio::test]
async fn members_talk_and_peers_with_another_secret_or_none_do_not() {
    let (_server, remote) = talkative(&knowing(&[OLD])).await;
    assert_eq!(greeted(&Node::configured(&knowing(&[OLD])), remote).await.unwrap(), GREETING);
    for outsider in [knowing(&[NEW]), TlsConfig::default()] {
        let error = greeted(&Node::configured(&outsider), remote).await.unwrap_err();
        assert!(matches!(error, TransportError::Refused { secret: true, .. }), "{error}");
        assert!(error.to_string().contains("clusterSecret") && !error.is_transient(), "{error}");
    }
}

/// Downgrade: a member never talks to a node that does not ask for the secret, and says nothing to it.
#[tokio::test]
async fn a_member_says_nothing_to_a_node_without_the_secret() {
    let plain = Node::new();
    let (listener, address) = plain.listen().await;
    let accepting = tokio::spawn(async move { listener.accept().await });
    let member = Node::configured(&knowing(&[OLD]));
    let error = within(member.exchange(&address, "hello")).await.unwrap_err();
    assert_eq!(error.code(), "ERR_TRUST");
    assert_eq!(within(member.exchange(&address, "hello")).await.unwrap_err().code(), "ERR_TRUST");
    plain.endpoint.close().await;
    assert!(accepting.await.unwrap().is_none(), "the node without the secret was never given a stream");
}

#[tokio::test]
async fn an_outsider_reads_nothing_whatever_it_opens_with() {
    let (_server, remote) = talkative(&knowing(&[OLD])).await;
    let openings: [&[u8]; 8] =
        [b"\0hello", b"\x01ping", b"\x02messages", b"\x03", b"\x03\0", b"\x03\xff", &[3; 258], &[3; 4000]];
    for opening in openings {
        let client = BareClient::new();
        let connection = client.call(remote).await.unwrap();
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(opening).await.unwrap();
        let _ = send.finish();
        let (heard, end) = within(listen_until_closed(&connection)).await;
        assert_eq!(heard, b"", "after {opening:?}");
        assert!(is_refusal(&end), "{end}");
        assert!(!matches!(recv.read(&mut [0; 100]).await, Ok(Some(_))), "after {opening:?}");
    }
}

/// A client that merely connects gets nothing to guess a secret against.
#[tokio::test]
async fn a_listener_proves_nothing_to_a_client_that_has_proven_nothing() {
    let (_server, remote) = talkative(&knowing(&[OLD])).await;
    let connection = BareClient::new().call(remote).await.unwrap();
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&[&[3, 1][..], &[7; 32]].concat()).await.unwrap();
    send.finish().unwrap();
    assert!(within(recv.read_to_end(1000)).await.is_err());
    assert!(is_refusal(&within(connection.closed()).await));
}

/// The server records a member's offer; an attacker replays it to another member.
#[tokio::test]
async fn a_recorded_proof_is_refused_from_anyone_else() {
    let spy = BareServer::new();
    let member = Node::configured(&knowing(&[OLD]));
    let address = spy.address.to_string();
    let calling = tokio::spawn(async move { member.endpoint.connect(&address).await });
    let (offer, _send) = spy.record().await;
    assert_eq!((offer[0], offer.len()), (3, 2 + 32));

    let (_server, remote) = talkative(&knowing(&[OLD])).await;
    let connection = BareClient::new().call(remote).await.unwrap();
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(&offer).await.unwrap();
    send.finish().unwrap();
    let (heard, end) = within(listen_until_closed(&connection)).await;
    assert_eq!(heard, b"");
    assert!(is_refusal(&end), "{end}");
    calling.abort();
}

/// The spy answers a member with the member's own proof, with nothing, and with garbage.
#[tokio::test]
async fn a_reflected_proof_is_refused() {
    let reflected: fn(&[u8]) -> Vec<u8> = |offer| offer[1..].to_vec();
    for answer in [reflected, |_: &[u8]| vec![], |_: &[u8]| vec![1; 33], |_: &[u8]| vec![0; 1000]] {
        let spy = BareServer::new();
        let member = Node::configured(&knowing(&[OLD]));
        let address = spy.address.to_string();
        let opening = within(member.exchange(&address, "secret words"));
        let spying = async {
            let (offer, mut send) = spy.record().await;
            send.write_all(&answer(&offer)).await.unwrap();
            let _ = send.finish();
            spy.next_stream_or_end().await
        };
        let (opened, (next, end)) = tokio::join!(opening, spying);
        let error = opened.unwrap_err();
        assert!(matches!(error, TransportError::Untrusted { .. }), "{error}");
        assert_eq!(next, None, "no other stream was opened");
        assert!(is_refusal(&end), "{end}");
    }
}

/// A man in the middle passes on the proofs of two members, each bound to another TLS session.
#[tokio::test]
async fn proofs_that_are_passed_on_are_refused() {
    let (_server, remote) = talkative(&knowing(&[OLD])).await;
    let spy = BareServer::new();
    let member = Node::configured(&knowing(&[OLD]));
    let address = spy.address.to_string();
    let opening = within(member.exchange(&address, "secret words"));
    let passing = async {
        let (offer, _send) = spy.record().await;
        let connection = BareClient::new().call(remote).await.unwrap();
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(&offer).await.unwrap();
        send.finish().unwrap();
        let answer = within(recv.read_to_end(1000)).await;
        spy.close();
        answer
    };
    let (opened, answer) = tokio::join!(opening, passing);
    assert!(answer.is_err(), "the other member has proven nothing: {answer:?}");
    assert!(opened.is_err());
}

#[tokio::test]
async fn with_a_secret_nothing_travels_as_early_data() {
    let (server, client) = (Node::configured(&knowing(&[OLD])), Node::configured(&knowing(&[OLD])));
    let (listener, address) = server.listen().await;
    let listener = client.has_session(&server, listener, &address).await;
    let opening = Some((server.fingerprint(), Bytes::from_static(b"opening")));
    let (opened, accepted) = tokio::join!(client.endpoint.open(&address, opening), listener.accept());
    let (mut opened, mut accepted) = (opened.unwrap(), accepted.unwrap());
    assert!(opened.opening_sent);
    opened.send.finish();
    assert_eq!(read_all(&mut accepted.recv).await.unwrap(), b"opening");
    assert_eq!(client.endpoint.statistics().zero_rtt_accepted, 0);
}

#[tokio::test]
async fn early_data_of_a_resuming_client_without_a_proof_is_never_seen() {
    let (server, remote) = talkative(&TlsConfig::default()).await;
    let stranger = BareClient::new();
    let connection = stranger.call(remote).await.unwrap();
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(b"\0hello").await.unwrap();
    send.finish().unwrap();
    recv.read_to_end(100).await.unwrap();
    connection.close(0u32.into(), b"");

    server.endpoint.set_trust(&knowing(&[OLD])).unwrap();
    let Ok((connection, accepted)) = stranger.call(remote).into_0rtt() else { panic!("a ticket has come") };
    let (mut send, mut early) = connection.open_bi().await.unwrap();
    send.write_all(b"\0early data").await.unwrap();
    send.finish().unwrap();
    let (heard, end) = within(listen_until_closed(&connection)).await;
    assert!(!accepted.await, "TLS itself refuses early data of who is to be asked for a proof");
    assert_eq!(heard, b"");
    assert!(early.read_to_end(100).await.is_err());
    assert!(is_refusal(&end), "{end}");
}

#[tokio::test]
async fn a_secret_is_rotated_without_a_gap_and_then_keeps_former_members_out() {
    let (server, client) = (Node::configured(&knowing(&[OLD])), Node::configured(&knowing(&[OLD])));
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    let former = Node::configured(&knowing(&[OLD]));
    for (node, secrets) in
        [(&server, &[OLD, NEW][..]), (&client, &[NEW, OLD][..]), (&server, &[NEW][..]), (&client, &[NEW][..])]
    {
        assert_eq!(within(client.exchange(&address, "hello")).await.unwrap(), "hello");
        node.endpoint.set_trust(&knowing(secrets)).unwrap();
    }
    assert_eq!(within(client.exchange(&address, "hello")).await.unwrap(), "hello");
    let error = within(former.exchange(&address, "hello")).await.unwrap_err();
    assert_eq!(error.code(), "ERR_TRUST");
}

#[tokio::test]
async fn a_removed_secret_cuts_live_connections_which_may_come_back_with_the_new_one() {
    let (server, client) = (Node::configured(&knowing(&[OLD])), Node::configured(&knowing(&[OLD, NEW])));
    let (listener, address) = server.listen().await;
    let (opened, accepted) = tokio::join!(client.endpoint.open(&address, None), listener.accept());
    let (mut opened, mut accepted) = (opened.unwrap(), accepted.unwrap());
    server.endpoint.set_trust(&knowing(&[NEW])).unwrap();
    let here = within(accepted.recv.read()).await.unwrap_err();
    let there = within(opened.recv.read()).await.unwrap_err();
    assert!(here.is_transient() && there.is_transient(), "{here}; {there}");
    tokio::spawn(echo_all(listener));
    assert_eq!(within(client.exchange(&address, "hello")).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_secret_is_demanded_besides_a_pin() {
    let (server, client, unpinned) = (
        Node::configured(&knowing(&[OLD])),
        Node::configured(&knowing(&[OLD])),
        Node::configured(&knowing(&[OLD])),
    );
    server.trust.pin(client.fingerprint());
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    assert_eq!(within(client.exchange(&address, "hello")).await.unwrap(), "hello");
    assert_eq!(within(unpinned.exchange(&address, "hello")).await.unwrap_err().code(), "ERR_TRUST");
    let without = Node::of(client.identity.clone(), EndpointConfig::default());
    assert_eq!(within(without.exchange(&address, "hello")).await.unwrap_err().code(), "ERR_TRUST");
}

/// Peers that are not authenticated yet must not fill this node's memory.
#[tokio::test]
async fn an_outsider_can_send_little_before_it_is_refused() {
    let (_server, remote) = talkative(&knowing(&[OLD])).await;
    let connection = BareClient::new().call(remote).await.unwrap();
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(&[3]).await.unwrap();
    let (mut flood, _recv) = connection.open_bi().await.unwrap();
    let mut sent = 0;
    while let Ok(count) = within(flood.write(&[0; 4096])).await {
        sent += count;
    }
    assert!(sent < 64 * 1024, "{sent} bytes were taken");
    assert!(is_refusal(&within(connection.closed()).await));
}
