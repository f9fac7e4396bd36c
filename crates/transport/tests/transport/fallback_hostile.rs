//! What outsiders get over TCP, and what a misbehaving trusted peer may do there.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use vectr_transport::{EndpointConfig, TlsConfig, TlsSecret};

use crate::support::bare_tcp::{BareTcp, CONTROL, RESERVED, STREAM, closed, tls};
use crate::support::{Node, echo, within};

/// What the application sends. An outsider must never read it.
const GREETING: &[u8] = b"application bytes";

/// A listening node that sends something on every stream unasked.
async fn talkative(node: &Node) -> SocketAddr {
    let (listener, _) = node.listen().await;
    let remote = listener.local_addr();
    tokio::spawn(async move {
        while let Some(mut stream) = listener.accept().await {
            let _ = stream.send.write(Bytes::from_static(GREETING)).await;
            tokio::spawn(echo(stream));
        }
    });
    remote
}

#[tokio::test]
async fn an_outsider_without_the_secret_reads_that_it_is_refused_and_nothing_else() {
    let secret = TlsSecret { name: "secret", text: "the secret of the cluster".to_owned() };
    let server = Node::configured(TlsConfig::default().secrets(vec![secret]));
    let remote = talkative(&server).await;
    let openings: [&[u8]; 6] = [b"\0hello", b"\x01ping", b"\x02messages", b"\x03\0", &[3; 258], &[3; 4000]];
    for opening in openings {
        let client = BareTcp::call(remote).await.unwrap();
        let heard = async {
            tokio::join!(
                client.hear(CONTROL, ""),
                client.hear(STREAM, opening),
                client.hear(STREAM, "\0"),
                client.hear(RESERVED, "\0"),
            )
        };
        let (control, one, other, parked) = within(heard).await;
        // Before that: that streams it opened have arrived, and that they are stopped.
        let mut before = control.strip_suffix(&closed(1, "cluster secret")[..]).unwrap();
        while let [1, _, _, _, _, 0, rest @ ..] | [2, _, _, _, _, 4, 0, 0, 0, 0, rest @ ..] = before {
            before = rest;
        }
        assert_eq!(before, b"", "after {opening:?}");
        assert_eq!((&one[..], &other[..], &parked[..]), (&b""[..], &b""[..], &b""[..]), "after {opening:?}");
    }
}

#[tokio::test]
async fn an_unpinned_client_reads_nothing() {
    let server = Node::new();
    server.trust.set_pins([]);
    let remote = talkative(&server).await;
    // With TLS 1.3 a client may consider itself connected before it learns that it is refused.
    let Ok(client) = BareTcp::call(remote).await else { return };
    let heard = async { tokio::join!(client.hear(CONTROL, ""), client.hear(STREAM, "\0hello")) };
    let (control, stream) = within(heard).await;
    assert!(control.is_empty() && stream.is_empty(), "{control:?} {stream:?}");
}

#[tokio::test]
async fn an_older_tls_is_refused() {
    let remote = talkative(&Node::new()).await;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let socket = TcpStream::connect(remote).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let error = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, socket).await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
}

/// Each of them ends its own connection at most.
#[tokio::test]
async fn malformed_bytes_affect_no_other_connection() {
    let server = Node::new();
    let remote = talkative(&server).await;
    let healthy = Node::with(EndpointConfig::default().quic(false).clone());
    let witness = healthy.endpoint.open(&remote.to_string(), None).await.unwrap();

    // Not TLS; TLS, but not HTTP/2.
    TcpStream::connect(remote).await.unwrap().write_all(&[0x16; 4096]).await.unwrap();
    let mut raw = tls(remote).await.unwrap();
    let _ = raw.write_all(&[0xff; 4096]).await;

    // A record of an unknown kind ends the connection.
    let client = BareTcp::call(remote).await.unwrap();
    within(client.hear(CONTROL, "\x09\0\0\0\0\0")).await;
    let (response, _send) = match client.post(STREAM).await {
        Ok(opened) => opened,
        Err(_) => return,
    };
    assert!(within(response).await.is_err(), "the connection is over");

    // Records about unknown streams, a second control stream, an unknown path.
    let client = BareTcp::call(remote).await.unwrap();
    let (_response, mut control) = client.post(CONTROL).await.unwrap();
    control.send_data(Bytes::from_static(b"\x01\xff\0\0\0\0\x02\xff\0\0\0\x04\x07\0\0\0"), false).unwrap();
    assert_eq!(within(client.post(CONTROL).await.unwrap().0).await.unwrap().status(), 404);
    assert_eq!(within(client.post("/").await.unwrap().0).await.unwrap().status(), 404);

    // Ten thousand frames of one byte, which are echoed; then trailers without a code.
    let (response, mut send) = client.post(STREAM).await.unwrap();
    for _ in 0..10_000 {
        send.send_data(Bytes::from_static(b"\0"), false).unwrap();
    }
    let mut body = within(response).await.unwrap().into_body();
    let mut heard = 0;
    while heard < GREETING.len() + 9_999 {
        let bytes = within(body.data()).await.unwrap().unwrap();
        body.flow_control().release_capacity(bytes.len()).unwrap();
        heard += bytes.len();
    }
    let trailers = HeaderMap::from_iter([(
        "vectr-reset".parse::<http::HeaderName>().unwrap(),
        HeaderValue::from_static("nonsense"),
    )]);
    send.send_trailers(trailers).unwrap();
    let echoed = within(async { body.trailers().await }).await;
    assert!(echoed.unwrap().is_some(), "the echo of a stream that was broken off is broken off");

    drop(witness);
    assert!(
        within(healthy.exchange(&remote.to_string(), "still here")).await.unwrap().ends_with("still here")
    );
    assert_eq!(healthy.endpoint.statistics().created, 1, "over the connection that was there all the time");
}
