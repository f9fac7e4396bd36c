//! Bytes on streams.

use std::time::Duration;

use bytes::Bytes;
use vectr_transport::{EndpointConfig, STREAM_ABANDONED, TransportError};

use crate::support::{Node, echo_all, read_all, within};

async fn pair(server: &Node, client: &Node) -> (vectr_transport::PeerStream, vectr_transport::PeerStream) {
    let (listener, address) = server.listen().await;
    let (opened, accepted) = tokio::join!(client.endpoint.open(&address, None), listener.accept());
    // The listener has to outlive the streams that it accepted.
    Box::leak(Box::new(listener));
    (opened.expect("it is trusted"), accepted.expect("it is open"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_at_once_keep_their_bytes_apart() {
    let (server, client) = (Node::new(), Node::new());
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    let tasks: Vec<_> = (0..300u32)
        .map(|number| {
            let (endpoint, address) = (client.endpoint.clone(), address.clone());
            tokio::spawn(async move {
                let mut stream = endpoint.open(&address, None).await.unwrap();
                let sent: Vec<u8> = number.to_le_bytes().repeat(20_000);
                let (send, recv) = (&mut stream.send, &mut stream.recv);
                let write = async {
                    for piece in sent.chunks(7_001) {
                        send.write(Bytes::copy_from_slice(piece)).await.unwrap();
                    }
                    send.finish();
                };
                let ((), heard) = tokio::join!(write, read_all(recv));
                assert!(heard.unwrap() == sent, "stream {number}");
                stream.send.delivered().await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        within(task).await.unwrap();
    }
    assert_eq!(client.endpoint.statistics().created, 1);
}

#[tokio::test]
async fn a_stream_beyond_the_limit_waits_for_another_to_end() {
    let server = Node::with(EndpointConfig::default().max_concurrent_streams(2).clone());
    let client = Node::with(EndpointConfig::default().connect_timeout(Duration::from_millis(300)).clone());
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    let first = client.endpoint.open(&address, None).await.unwrap();
    let _second = client.endpoint.open(&address, None).await.unwrap();
    let error = client.endpoint.open(&address, None).await.unwrap_err();
    assert_eq!(error.code(), "ERR_BUSY");
    assert!(error.is_transient());
    drop(first);
    within(async { while client.exchange(&address, "hello").await.is_err() {} }).await;
}

#[tokio::test]
async fn a_reset_and_a_stop_carry_their_codes() {
    let (server, client) = (Node::new(), Node::new());
    let (mut opened, mut accepted) = pair(&server, &client).await;
    opened.send.reset(7);
    let error = within(accepted.recv.read()).await.unwrap_err();
    assert!(matches!(error, TransportError::BrokenOff { stream_code: 7, .. }), "{error}");
    opened.recv.stop(9);
    let error = within(async {
        loop {
            if let Err(error) = accepted.send.write(Bytes::from_static(b"more")).await {
                return error;
            }
        }
    })
    .await;
    assert!(matches!(error, TransportError::BrokenOff { stream_code: 9, .. }), "{error}");
    assert!(error.is_transient());
    assert_eq!(opened.send.write(Bytes::from_static(b"late")).await.unwrap_err().code(), "ERR_CLOSED");
}

/// A session that was stopped halfway must not look complete.
#[tokio::test]
async fn a_dropped_stream_is_broken_off_not_finished() {
    let (server, client) = (Node::new(), Node::new());
    let (mut opened, mut accepted) = pair(&server, &client).await;
    opened.send.write(Bytes::from_static(b"half a ")).await.unwrap();
    assert_eq!(accepted.recv.read().await.unwrap().unwrap(), "half a ");
    drop(opened);
    let error = within(accepted.recv.read()).await.unwrap_err();
    let code = u64::from(STREAM_ABANDONED);
    assert!(matches!(error, TransportError::BrokenOff { stream_code, .. } if stream_code == code), "{error}");
}

#[tokio::test]
async fn both_halves_can_be_used_and_ended_apart() {
    let (server, client) = (Node::new(), Node::new());
    let (mut opened, mut accepted) = pair(&server, &client).await;
    opened.send.finish();
    assert_eq!(accepted.recv.read().await.unwrap(), None);
    assert_eq!(accepted.recv.read().await.unwrap(), None);
    accepted.send.write(Bytes::from_static(b"still here")).await.unwrap();
    assert_eq!(opened.recv.read().await.unwrap().unwrap(), "still here");
    drop(opened.send);
    accepted.send.finish();
    assert_eq!(opened.recv.read().await.unwrap(), None);
    accepted.send.delivered().await.unwrap();
}

#[tokio::test]
async fn a_writer_waits_for_a_reader_that_is_behind() {
    let (server, client) = (Node::new(), Node::new());
    let (mut opened, mut accepted) = pair(&server, &client).await;
    let megabyte = Bytes::from(vec![5; 1 << 20]);
    let sent = tokio::spawn(async move {
        for _ in 0..64 {
            opened.send.write(megabyte.clone()).await.unwrap();
        }
        opened.send.finish();
        opened.send.delivered().await.unwrap();
    });
    tokio::task::yield_now().await;
    assert!(!sent.is_finished(), "64 MiB do not fit into the windows");
    assert_eq!(within(read_all(&mut accepted.recv)).await.unwrap().len(), 64 << 20);
    sent.await.unwrap();
}

/// The silent peer is the clock for the quiet one, whose connection has carried nothing for longer.
#[tokio::test]
async fn a_silent_peer_is_noticed_and_a_quiet_one_is_kept() {
    let doomed = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = Node::with(EndpointConfig::default().idle_timeout(Duration::from_secs(1)).clone());
    let (quiet, silent) = (Node::new(), Node::new());
    let (mut opened, mut accepted) = pair(&quiet, &client).await;
    let endpoint = silent.endpoint.clone();
    let listener = doomed.spawn(async move { endpoint.listen("127.0.0.1:0").await.unwrap() }).await.unwrap();
    let address = listener.local_addr().to_string();
    doomed.spawn(echo_all(listener));
    let mut lost = client.endpoint.open(&address, None).await.unwrap();
    doomed.shutdown_background();

    let error = within(lost.recv.read()).await.unwrap_err();
    assert_eq!(error.code(), "ERR_TIMEOUT");
    assert!(error.is_transient());
    accepted.send.write(Bytes::from_static(b"alive")).await.unwrap();
    assert_eq!(opened.recv.read().await.unwrap().unwrap(), "alive");
}
