//! The cluster's secret over TCP: an attacker who drops UDP to force TCP gains nothing.

use std::future::poll_fn;
use std::net::{SocketAddr, UdpSocket};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use vectr_transport::{EndpointConfig, TlsConfig, TlsSecret, TransportError};

use crate::support::bare::{BareClient, BareServer, listen_until_closed};
use crate::support::bare_tcp::{BareTcp, CONTROL, STREAM, TcpSpy, closed};
use crate::support::{Node, within};

fn knowing_the_secret() -> TlsConfig {
    let secret = TlsSecret { name: "secret", text: "the secret of the cluster".to_owned() };
    TlsConfig::default().secrets(vec![secret]).clone()
}

/// A member without QUIC.
fn cut_off() -> Node {
    Node::configured_with(&knowing_the_secret(), EndpointConfig::default().quic(false).clone())
}

/// A member that listens over both transports and echoes.
async fn member() -> (Node, SocketAddr) {
    let node = Node::configured(&knowing_the_secret());
    let (listener, _) = node.listen().await;
    let remote = listener.local_addr();
    tokio::spawn(crate::support::echo_all(listener));
    (node, remote)
}

/// Whether a control stream says that the connection was closed for lack of a proof.
fn is_refusal(control: &[u8]) -> bool {
    control.ends_with(&closed(1, "cluster secret"))
}

/// An attacker replays over TCP an offer that a member made to another node.
async fn is_good_for_nothing(offer: impl Into<Bytes>, remote: SocketAddr) {
    let thief = BareTcp::call(remote).await.unwrap();
    let heard = async { tokio::join!(thief.hear(CONTROL, ""), thief.hear(STREAM, offer)) };
    let (control, answer) = within(heard).await;
    assert!(is_refusal(&control), "{control:?}");
    assert_eq!(answer, "");
}

#[tokio::test]
async fn a_member_answers_a_member() {
    let (_member, remote) = member().await;
    assert_eq!(within(cut_off().exchange(&remote.to_string(), "hello")).await.unwrap(), "hello");
}

/// The server records a member's offer; an attacker replays it to another member, over either transport.
#[tokio::test]
async fn a_recorded_proof_is_refused_from_anyone_else() {
    let spy = TcpSpy::new().await;
    let victim = cut_off();
    let address = spy.address.to_string();
    let calling = tokio::spawn(async move { victim.endpoint.connect(&address).await });
    let (offer, _send) = within(spy.accept()).await.record().await.unwrap();
    assert_eq!((offer[0], offer.len()), (3, 2 + 32));

    let (_member, remote) = member().await;
    is_good_for_nothing(offer.clone(), remote).await;

    let connection = BareClient::new().call(remote).await.unwrap();
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(&offer).await.unwrap();
    send.finish().unwrap();
    assert_eq!(within(listen_until_closed(&connection)).await.0, b"");
    calling.abort();
}

/// A proof recorded over QUIC is invalid over TCP.
#[tokio::test]
async fn a_proof_does_not_change_carriers() {
    let spy = BareServer::new();
    let victim = Node::configured(&knowing_the_secret());
    let address = spy.address.to_string();
    let calling = tokio::spawn(async move { victim.endpoint.connect(&address).await });
    let (offer, _send) = within(spy.record()).await;

    let (_member, remote) = member().await;
    is_good_for_nothing(offer, remote).await;
    calling.abort();
}

/// The spy answers a member with the member's own proof, with nothing, and with garbage.
#[tokio::test]
async fn a_reflected_proof_is_refused() {
    let reflected: fn(&Bytes) -> Bytes = |offer| offer.slice(1..);
    let garbage: [fn(&Bytes) -> Bytes; 3] =
        [|_| Bytes::new(), |_| vec![1; 33].into(), |_| vec![0; 1000].into()];
    for answer in [reflected].into_iter().chain(garbage) {
        let (spy, victim) = (TcpSpy::new().await, cut_off());
        let address = spy.address.to_string();
        let opening = within(victim.exchange(&address, "secret words"));
        let spying = async {
            let mut spied = spy.accept().await;
            let (offer, mut send) = spied.record().await.unwrap();
            send.send_data(answer(&offer), true).unwrap();
            let next = spied.record().await;
            (next.map(|(heard, _)| heard), spied.control().await)
        };
        let (opened, (next, control)) = tokio::join!(opening, within(spying));
        let error = opened.unwrap_err();
        assert!(matches!(error, TransportError::Untrusted { .. }), "{error}");
        assert_eq!(next, None, "no other stream was opened");
        assert!(is_refusal(&control), "{control:?}");
    }
}

/// A man in the middle passes on the proof of a member, which is bound to another TLS session.
#[tokio::test]
async fn a_proof_that_is_passed_on_is_refused() {
    let (_member, remote) = member().await;
    let (spy, victim) = (TcpSpy::new().await, cut_off());
    let address = spy.address.to_string();
    let calling = tokio::spawn(async move { victim.exchange(&address, "secret words").await });
    let mut spied = within(spy.accept()).await;
    let (offer, mut send) = within(spied.record()).await.unwrap();
    let passing = BareTcp::call(remote).await.unwrap();
    let answer = within(passing.hear(STREAM, offer)).await;
    assert_eq!(answer, "", "the other member has proven nothing");
    let _ = send.send_data(answer, true);
    assert_eq!(within(calling).await.unwrap().unwrap_err().code(), "ERR_TRUST");
}

/// Downgrade: dropping UDP makes a member connect over TCP, where it still talks to members only.
#[tokio::test]
async fn a_member_that_was_driven_to_tcp_says_nothing_to_a_node_without_the_secret() {
    let plain = Node::with(EndpointConfig::default().quic(false).clone());
    let (listener, _swallow) = loop {
        let (listener, address) = plain.listen().await;
        // Another process may have this port for UDP.
        if let Ok(swallow) = UdpSocket::bind(&address) {
            break (listener, swallow);
        }
    };
    let address = listener.local_addr().to_string();
    let accepting = tokio::spawn(async move { listener.accept().await });
    let mut config = EndpointConfig::default();
    config.connect_timeout(Duration::from_secs(4));
    let driven = Node::configured_with(&knowing_the_secret(), config);
    for _ in 0..2 {
        let error = within(driven.exchange(&address, "secret words")).await.unwrap_err();
        assert_eq!(error.code(), "ERR_TRUST", "{error}");
    }
    plain.endpoint.close().await;
    assert!(accepting.await.unwrap().is_none(), "the node without the secret was never given a stream");
}

/// Peers that are not authenticated yet must not fill this node's memory.
#[tokio::test]
async fn an_outsider_can_send_little_before_it_is_refused() {
    let (_member, remote) = member().await;
    let outsider = BareTcp::call(remote).await.unwrap();
    let (_response, mut send) = outsider.post(STREAM).await.unwrap();
    send.send_data(Bytes::from_static(&[3]), false).unwrap();
    let (_response, mut flood) = outsider.post(STREAM).await.unwrap();
    let mut sent = 0;
    let flooding = async {
        loop {
            let room = poll_fn(|context| {
                flood.reserve_capacity(4096);
                match flood.capacity() {
                    0 => flood.poll_capacity(context),
                    room => Poll::Ready(Some(Ok(room))),
                }
            });
            let Some(Ok(room)) = room.await else { return };
            if flood.send_data(vec![0; room].into(), false).is_err() {
                return;
            }
            sent += room;
        }
    };
    let (control, ()) = within(async { tokio::join!(outsider.hear(CONTROL, ""), flooding) }).await;
    assert!(is_refusal(&control), "{control:?}");
    assert!((4096..=64 * 1024).contains(&sent), "{sent} bytes were taken");
}
