//! Who gives way where all places for connections are taken.

use std::time::Duration;

use vectr_transport::EndpointConfig;

use crate::support::bare::BareClient;
use crate::support::{Node, echo_all, until, within};

fn over_quic(most: usize) -> Node {
    Node::with(EndpointConfig::default().max_connections(most).fallback(false).clone())
}

/// A member whose machine was switched off kept its places until the idle timeout, and nobody else had one.
#[tokio::test]
async fn members_that_have_vanished_give_way() {
    let server = over_quic(3);
    let (listener, address) = server.listen().await;
    let remote = listener.local_addr();
    tokio::spawn(echo_all(listener));
    let member = over_quic(100);
    within(member.exchange(&address, "I stay")).await.unwrap();
    let gone = tokio::runtime::Runtime::new().unwrap();
    let vanishing = gone.spawn(async move {
        let clients = [BareClient::new(), BareClient::new()];
        let connected = [clients[0].call(remote).await.unwrap(), clients[1].call(remote).await.unwrap()];
        (clients, connected)
    });
    let vanishing = within(vanishing).await.unwrap();
    until(|| server.endpoint.accepted().live == 3).await;
    let late = over_quic(100);
    let busy = within(late.exchange(&address, "too many")).await.unwrap_err();
    assert_eq!(busy.code(), "ERR_BUSY", "all of them answer");
    gone.shutdown_background();
    // All are asked again in a few seconds.
    let came_in = async {
        while late.exchange(&address, "hello").await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    within(came_in).await;
    assert_eq!(within(member.exchange(&address, "still here")).await.unwrap(), "still here");
    assert_eq!(member.endpoint.statistics().created, 1, "its connection has stayed");
    drop(vanishing);
}

/// A member that opened connection after connection, and answered on all of them, kept everybody else out.
#[tokio::test]
async fn a_member_that_takes_all_places_gives_way() {
    let server = over_quic(4);
    let (listener, address) = server.listen().await;
    let (remote, greedy) = (listener.local_addr(), BareClient::new());
    tokio::spawn(echo_all(listener));
    let mut held = vec![];
    for _ in 0..4 {
        held.push(within(greedy.call(remote).into_future()).await.unwrap());
    }
    until(|| server.endpoint.accepted().live == 4).await;
    let members = [over_quic(100), over_quic(100)];
    for member in &members {
        assert_eq!(within(member.exchange(&address, "hello")).await.unwrap(), "hello");
        held.extend(within(greedy.call(remote).into_future()).await);
    }
    let late = over_quic(100);
    let busy = within(late.exchange(&address, "too many")).await.unwrap_err();
    assert_eq!(busy.code(), "ERR_BUSY", "nobody has more than a peer may need");
    for member in &members {
        assert_eq!(within(member.exchange(&address, "hello")).await.unwrap(), "hello");
        assert_eq!(member.endpoint.statistics().created, 1, "its connection has stayed");
    }
}
