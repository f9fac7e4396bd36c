//! Two ends of a connection in one process, over real TCP.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quinn::{ConnectionError, ReadError, VarInt, WriteError};
use rustls::ServerConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use tokio::net::{TcpListener, TcpStream};

use super::{ALPN, TcpConnection, TcpParams, TcpRecv, TcpSend, accept, dial};
use crate::tls::verifier::PeerVerifier;
use crate::{Identity, Trust};

const PARAMS: TcpParams = TcpParams { idle_timeout: Duration::from_secs(30), max_streams: 4, proof: false };

/// The client's end and the server's.
async fn connected() -> (TcpConnection, TcpConnection) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = listener.local_addr().unwrap();
    let answering = async {
        let (socket, _) = listener.accept().await.unwrap();
        accept(socket, Arc::new(server_tls()), b"label", PARAMS).await.unwrap()
    };
    let name = ServerName::try_from("localhost").unwrap();
    let (client, server) =
        tokio::join!(dial(remote, Arc::new(client_tls()), name, b"label", PARAMS), answering);
    (client.unwrap(), server)
}

fn client_tls() -> rustls::ClientConfig {
    let identity = Identity::ephemeral().unwrap();
    let mut tls =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PeerVerifier::new(Trust::this_machine())))
            .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(identity.certified())));
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.resumption = Resumption::disabled();
    tls
}

fn server_tls() -> ServerConfig {
    let identity = Identity::ephemeral().unwrap();
    let mut tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(PeerVerifier::new(Trust::this_machine())))
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(identity.certified())));
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls
}

async fn read_all(recv: &mut TcpRecv) -> Result<Bytes, ReadError> {
    let mut whole = BytesMut::new();
    while let Some(bytes) = recv.read_chunk().await? {
        whole.extend_from_slice(&bytes);
    }
    Ok(whole.freeze())
}

/// A stream that `from` opens; `to` has read its first byte.
async fn stream(from: &TcpConnection, to: &TcpConnection) -> ((TcpSend, TcpRecv), (TcpSend, TcpRecv)) {
    let (mut send, recv) = from.open_bi().await.unwrap();
    send.write_chunk(Bytes::from_static(b"!")).await.unwrap();
    let mut accepted = to.accept_bi().await.unwrap();
    assert_eq!(accepted.1.read_chunk().await.unwrap().unwrap(), "!");
    ((send, recv), accepted)
}

#[tokio::test]
async fn the_two_ends_know_each_other_and_share_a_secret() {
    let (client, server) = connected().await;
    assert_eq!(client.exported(), server.exported());
    assert_ne!(client.exported(), connected().await.0.exported());
    assert_eq!((client.certificates().len(), server.certificates().len()), (1, 1));
    assert_ne!(client.certificates(), server.certificates());
}

#[tokio::test]
async fn either_end_opens_streams_and_each_direction_ends_by_itself() {
    let (client, server) = connected().await;
    for (from, to) in [(&client, &server), (&server, &client)] {
        let ((mut send, mut recv), (mut back, mut heard)) = stream(from, to).await;
        send.write_chunk(Bytes::from_static(b"question")).await.unwrap();
        send.finish();
        assert_eq!(read_all(&mut heard).await.unwrap(), "question");
        assert_eq!(send.stopped().await.unwrap(), None, "all of it has arrived");
        back.write_chunk(Bytes::from_static(b"answer")).await.unwrap();
        back.finish();
        assert_eq!(read_all(&mut recv).await.unwrap(), "answer");
        assert_eq!(back.stopped().await.unwrap(), None);
    }
}

#[tokio::test]
async fn bytes_have_arrived_before_anybody_reads_them() {
    let (client, server) = connected().await;
    let ((mut send, _recv), _unread) = stream(&client, &server).await;
    send.write_chunk(vec![7; 40_000].into()).await.unwrap();
    send.finish();
    assert_eq!(send.stopped().await.unwrap(), None);
}

#[tokio::test]
async fn a_receiver_that_does_not_read_slows_the_sender_and_nobody_else() {
    let (client, server) = connected().await;
    client.lift_restrictions();
    server.lift_restrictions();
    let ((mut send, _recv), (_back, mut slow)) = stream(&client, &server).await;
    let whole = Bytes::from(vec![9; 32 << 20]);
    let sending = tokio::spawn({
        let whole = whole.clone();
        async move {
            send.write_chunk(whole).await.unwrap();
            send.finish();
            send.stopped().await.unwrap()
        }
    });
    let ((mut quick, _q), (_b, mut heard)) = stream(&client, &server).await;
    quick.write_chunk(vec![1; 100_000].into()).await.unwrap();
    quick.finish();
    assert_eq!(read_all(&mut heard).await.unwrap().len(), 100_000);
    assert!(!sending.is_finished(), "32 MiB fit in no window");
    assert!(read_all(&mut slow).await.unwrap() == whole);
    assert_eq!(sending.await.unwrap(), None);
}

#[tokio::test]
async fn a_reset_and_a_stop_reach_the_other_end_with_their_codes() {
    let (client, server) = connected().await;
    for (from, to) in [(&client, &server), (&server, &client)] {
        let ((mut send, _recv), (_back, mut heard)) = stream(from, to).await;
        send.reset(77);
        assert_eq!(heard.read_chunk().await.unwrap_err(), ReadError::Reset(VarInt::from_u32(77)));
        let ((mut send, _recv), (_back, mut heard)) = stream(from, to).await;
        heard.stop(0xffff_ff01);
        assert_eq!(heard.read_chunk().await.unwrap_err(), ReadError::ClosedStream);
        assert_eq!(send.stopped().await.unwrap(), Some(VarInt::from_u32(0xffff_ff01)));
        let refused = send.write_chunk(Bytes::from_static(b"more")).await.unwrap_err();
        assert_eq!(refused, WriteError::Stopped(VarInt::from_u32(0xffff_ff01)));
    }
}

#[tokio::test]
async fn why_a_connection_was_closed_reaches_the_other_end_and_its_streams() {
    for by_client in [true, false] {
        let (client, server) = connected().await;
        let (closer, other) = if by_client { (client, server) } else { (server, client) };
        let ((_send, _recv), (mut back, mut heard)) = stream(&closer, &other).await;
        closer.close(2, b"broken rules");
        assert_eq!(closer.closed().await, ConnectionError::LocallyClosed);
        let ConnectionError::ApplicationClosed(close) = other.closed().await else {
            panic!("{:?}", other.close_reason())
        };
        assert_eq!(
            (close.error_code, close.reason),
            (VarInt::from_u32(2), Bytes::from_static(b"broken rules"))
        );
        assert!(matches!(heard.read_chunk().await, Err(ReadError::ConnectionLost(_))));
        let written = async { while back.write_chunk(vec![0; 1 << 16].into()).await.is_ok() {} };
        written.await;
        assert!(other.open_bi().await.is_err() && other.accept_bi().await.is_err());
    }
}

/// Streams that are stopped or reset after the close must not reach the peer before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_peer_learns_of_the_close_first() {
    for _ in 0..200 {
        let (client, server) = connected().await;
        let ((mut send, mut recv), (mut back, mut heard)) = stream(&client, &server).await;
        let closing = server.clone();
        let following = tokio::spawn(async move {
            closing.closed().await;
            heard.stop(7);
            back.reset(7);
        });
        tokio::task::yield_now().await;
        server.close(0, b"done");
        assert!(matches!(recv.read_chunk().await, Err(ReadError::ConnectionLost(_))));
        let end = loop {
            if let Err(end) = send.write_chunk(vec![0; 1 << 16].into()).await {
                break end;
            }
        };
        assert!(matches!(end, WriteError::ConnectionLost(ConnectionError::ApplicationClosed(_))), "{end:?}");
        following.await.unwrap();
    }
}

/// One that gave way to another was told so, for up to a second in which its socket counted as nobody's.
#[tokio::test]
async fn a_socket_that_is_cut_says_no_farewell() {
    let (client, server) = connected().await;
    let socket = server.socket();
    socket.cut();
    drop(server);
    socket.closed().await;
    let heard = client.closed().await;
    assert!(!matches!(heard, ConnectionError::ApplicationClosed(_)), "{heard}");
}

#[tokio::test]
async fn a_dropped_connection_is_closed() {
    let (client, server) = connected().await;
    drop(client);
    assert!(matches!(server.closed().await, ConnectionError::ApplicationClosed(_)));
}

/// The task that writes records, and streams that nobody had accepted, used to keep the state of a connection that the
/// peer had closed for ever.
#[tokio::test]
async fn an_ended_connection_is_freed_on_both_ends() {
    for client_closes in [true, false] {
        let (client, server) = connected().await;
        let (closing, closed) = if client_closes { (client, server) } else { (server, client) };
        let (mut send, recv) = closing.open_bi().await.unwrap();
        send.write_chunk(Bytes::from_static(b"never accepted")).await.unwrap();
        send.finish();
        assert_eq!(send.stopped().await.unwrap(), None, "it waits at the other end");
        let states = [&closing, &closed].map(|end| Arc::downgrade(&end.core().state));
        drop((send, recv, closing));
        assert!(matches!(closed.closed().await, ConnectionError::ApplicationClosed(_)));
        drop(closed);
        let freed = async {
            while states.iter().any(|state| state.strong_count() > 0) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), freed).await.unwrap();
    }
}

#[tokio::test]
async fn more_streams_than_the_peer_allows_wait_for_their_turn() {
    let (client, server) = connected().await;
    let mut open = Vec::new();
    for _ in 0..PARAMS.max_streams {
        open.push(stream(&server, &client).await);
    }
    let mut waiting = Box::pin(server.open_bi());
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err());
    drop(open.pop());
    waiting.await.unwrap();
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = listener.local_addr().unwrap();
    let params = TcpParams { idle_timeout: Duration::from_millis(300), ..PARAMS };
    // Forwards bytes between the two until it is told to stop; neither side sees a close.
    let between = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = between.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut near, _) = between.accept().await.unwrap();
        let mut far = TcpStream::connect(remote).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            _ = stopped => {}
        }
        std::future::pending::<()>().await;
        drop((near, far));
    });
    let answering = async {
        let (socket, _) = listener.accept().await.unwrap();
        accept(socket, Arc::new(server_tls()), b"label", params).await.unwrap()
    };
    let name = ServerName::try_from("localhost").unwrap();
    let dialing = dial(front, Arc::new(client_tls()), name, b"label", params);
    let (client, server) = tokio::join!(dialing, answering);
    let client = client.unwrap();
    let _open = stream(&client, &server).await;
    stop.send(()).unwrap();
    assert_eq!(client.closed().await, ConnectionError::TimedOut);
    assert_eq!(server.closed().await, ConnectionError::TimedOut);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_streams_keep_their_bytes_apart() {
    let (client, server) = connected().await;
    client.lift_restrictions();
    server.lift_restrictions();
    let echoing = tokio::spawn({
        let server = server.clone();
        async move {
            while let Ok((mut send, mut recv)) = server.accept_bi().await {
                tokio::spawn(async move {
                    while let Some(bytes) = recv.read_chunk().await.unwrap() {
                        send.write_chunk(bytes).await.unwrap();
                    }
                    send.finish();
                    send.stopped().await.unwrap();
                });
            }
        }
    });
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200_usize {
        let client = client.clone();
        calls.spawn(async move {
            let sent: Bytes = (0..number * 997 % 70_000)
                .map(|index| (index * 31 + number) as u8)
                .collect::<Vec<_>>()
                .into();
            let (mut send, mut recv) = client.open_bi().await.unwrap();
            let writing = {
                let sent = sent.clone();
                async move {
                    for piece in sent.chunks(1 + number * 113) {
                        send.write_chunk(Bytes::copy_from_slice(piece)).await.unwrap();
                    }
                    send.finish();
                    send.stopped().await.unwrap();
                }
            };
            let ((), received) = tokio::join!(writing, read_all(&mut recv));
            assert!(received.unwrap() == sent, "stream {number}");
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
    client.close(0, b"");
    echoing.await.unwrap();
}
