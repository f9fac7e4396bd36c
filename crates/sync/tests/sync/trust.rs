//! Who is let in, and what a stranger learns: nothing.

use crate::support::{Node, quick, shard};
use vectr_delta::{Fingerprint, Message, Open, Uncompressed};
use vectr_sync::NetworkConfig;
use vectr_transport::{Endpoint, EndpointConfig, Identity, TlsConfig, TlsSecret, Trust};

fn pinned(pins: &[Fingerprint]) -> NetworkConfig {
    NetworkConfig::default().tls(TlsConfig::default().pins(pins.to_vec()).clone()).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn pinned_nodes_sync_and_an_unpinned_one_gets_err_trust() {
    let a = Node::with("a", quick(), pinned(&[]));
    let b = Node::with("b", quick(), pinned(&[a.engine.fingerprint()]));
    a.put("v", &[1.0], "{}");
    let to_b = b.listen().await;
    let failure = a.sync(&to_b).await.failure.unwrap();
    assert_eq!(failure.code, "ERR_TRUST");
    assert!(failure.message.contains(&b.engine.fingerprint().to_string()), "{}", failure.message);
    a.engine.trust().pin(b.engine.fingerprint());
    a.synced(&to_b).await.into_result().unwrap();
    let stranger = Node::with("stranger", quick(), pinned(&[b.engine.fingerprint()]));
    let refused = stranger.sync(&to_b).await;
    let error = refused.clone().into_result().unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("ERR_TRUST", false));
    let failure = refused.failure.unwrap();
    assert_eq!((failure.code.as_str(), refused.attempts), ("ERR_TRUST", 1));
    assert!(failure.message.contains(&stranger.engine.fingerprint().to_string()), "{}", failure.message);
    assert_eq!((refused.changes_applied, refused.bytes_received), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_removed_at_run_time_refuses_the_next_sync_resumed_or_not() {
    let a = Node::with("a", quick(), pinned(&[]));
    let b = Node::with("b", quick(), pinned(&[a.engine.fingerprint()]));
    a.engine.trust().pin(b.engine.fingerprint());
    b.put("v", &[1.0], "{}");
    let to_b = b.listen().await;
    a.synced(&to_b).await;
    b.put("w", &[2.0], "{}");
    b.engine.trust().unpin(&a.engine.fingerprint());
    let refused = a.sync(&to_b).await;
    assert_eq!(refused.failure.unwrap().code, "ERR_TRUST");
    assert_eq!(refused.bytes_received, 0);
    assert!(a.get("w").is_none());
    b.engine.trust().pin(a.engine.fingerprint());
    a.synced(&to_b).await;
    assert!(a.get("w").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_reads_every_stream_gets_no_byte() {
    let secret = TlsSecret { name: "secret", text: "the secret of the cluster".to_owned() };
    let mut tls = TlsConfig::default();
    tls.secrets(vec![secret]);
    for network in [pinned(&[]), NetworkConfig::default().tls(tls).clone()] {
        let b = Node::with("b", quick(), network);
        b.put("secret", &[1.0], "{}");
        let to_b = b.listen().await;
        let trust = Trust::this_machine();
        let identity = Identity::ephemeral().unwrap();
        let endpoint = Endpoint::new(&identity, &trust, EndpointConfig::default()).unwrap();
        let open = Message::Open(Open::of_this_build(shard())).encode(&Uncompressed).unwrap().concat();
        // In TLS 1.3 the stranger's own handshake may succeed first: whatever it can open, it reads to the end.
        for words in [vec![0_u8; 64], open] {
            let Ok(mut stream) = endpoint.open(&to_b, None).await else { continue };
            let _ = stream.send.write(words.into()).await;
            let read = stream.recv.read().await;
            assert!(!matches!(read, Ok(Some(_))), "the stranger read {read:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_from_a_trusted_peer_ends_its_stream_and_nothing_else() {
    let b = Node::new("b");
    b.put("v", &[1.0], "{}");
    let to_b = b.listen().await;
    let trust = Trust::this_machine();
    let endpoint = Endpoint::new(&Identity::ephemeral().unwrap(), &trust, EndpointConfig::default()).unwrap();
    for nonsense in [vec![0_u8; 1000], vec![255; 1000], b"GET / HTTP/1.1\r\n\r\n".to_vec()] {
        let mut stream = endpoint.open(&to_b, None).await.unwrap();
        let _ = stream.send.write(nonsense.into()).await;
        while let Ok(Some(_)) = stream.recv.read().await {}
    }
    let a = Node::new("a");
    a.synced(&to_b).await;
    assert_eq!(a.digest(), b.digest());
}
