//! What somebody reads from a node that does not admit him: every byte, over QUIC and TCP, in clear and inside TLS.

mod frames;
mod heard;
mod quic;
mod tcp;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use vectr_delta::{Message, Open, ShardId, Uncompressed};
use vectr_sync::NetworkConfig;
use vectr_transport::{TlsConfig, TlsSecret};

use crate::support::{Node, at, id, payload, quick};
use heard::{Heard, Recording, contains};
use quic::Client;

const SHARD: &str = "patients-of-doctor-moreau";
const NODE: &str = "the-node-on-the-island";
const VECTOR: &str = "leopard-man-case-file";
const METADATA: &str = "{\"diagnosis\":\"humanity\"}";
const SECRET: &str = "not to go on all-fours";

/// How a node ends a connection of somebody whom it does not admit. SECURITY.md names what each of them tells.
const ENDS: &[&str] = &[
    // By TLS: the certificate is not trusted, there is none, or another protocol is spoken.
    "transport 0x12e \"invalid peer certificate: Other(OtherError(not trusted))\"",
    "transport 0x174 \"peer sent no certificates\"",
    "transport 0x178 \"peer doesn't support any known protocol\"",
    "received fatal alert: ",
    // No proof of the cluster's secret.
    "application 0x1 \"cluster secret\"",
    "application 0x1 \"not trusted\"",
    // TCP ends without a word. Which of these somebody sees is a matter of chance.
    "closed",
    "connection reset",
    "Connection reset by peer",
    "tls handshake eof",
    "peer closed connection without sending TLS close_notify",
    // The versions of QUIC that are spoken.
    "47 bytes of versions",
];

/// A node whose trust is still that of this machine, with so many rows.
async fn node(name: &str, shard: &str, rows: usize, identity: &Path) -> (Node, SocketAddr) {
    let network = NetworkConfig::default().identity(identity).clone();
    let node = Node::with(name, quick(), network);
    let shard = ShardId::new(shard).unwrap();
    for n in 0..rows {
        let vector = payload(&[n as f32, 0.125, 7.75, -3.5], METADATA);
        node.db.upsert(at(&shard), &id(&format!("{VECTOR}-{n}")), vector).unwrap();
    }
    let address = node.listen().await.parse().unwrap();
    (node, address)
}

fn opening() -> Vec<u8> {
    let open = Message::Open(Open::of_this_build(ShardId::new(SHARD).unwrap()));
    [&[0][..], &open.encode(&Uncompressed).unwrap().concat()].concat()
}

/// What a stranger says first: a session, a ping, messages, a wrong proof, half a proof, and a stream of no kind.
fn openings() -> [(&'static str, Vec<u8>); 6] {
    [
        ("session", opening()),
        ("ping", b"\x01ping".to_vec()),
        ("messages", b"\x02messages".to_vec()),
        ("wrong proof", [&[3, 1][..], &[7; 32]].concat()),
        ("half a proof", vec![3, 1, 7]),
        ("unknown kind", b"\x09hello".to_vec()),
    ]
}

/// Tries everything under this trust, and returns what was heard each time.
async fn attempts(node: &Node, server: SocketAddr, trust: &TlsConfig) -> BTreeMap<String, Heard> {
    let (own, none) = (tls::with_certificate(), tls::without_certificate());
    let mut heard = BTreeMap::new();

    // Admitted once, which is how somebody comes by a session that may have early data.
    let former = Client::new(own.clone(), "vectr/1");
    let recording = Recording::default();
    let connection = within(former.call(server, "localhost", &recording).await).await.unwrap();
    within(until(|| recording.has_ticket())).await;
    connection.close(0u32.into(), b"");
    node.engine.set_trust(trust).unwrap();

    let recording = Recording::default();
    let Ok((connection, _)) = former.call(server, "localhost", &recording).await.into_0rtt() else {
        panic!("a ticket has come")
    };
    within(quic::listen(&connection, &opening(), &recording)).await;
    heard.insert("quic, early data".to_owned(), recording.heard());

    let openings = openings();
    let mut callers = vec![
        ("no certificate".to_owned(), &none, "vectr/1", "localhost", opening()),
        ("another protocol".to_owned(), &own, "h3", "localhost", opening()),
        ("another name".to_owned(), &own, "vectr/1", "no.such.host", opening()),
    ];
    let sayings = openings
        .iter()
        .map(|(what, bytes)| ((*what).to_owned(), &own, "vectr/1", "localhost", bytes.clone()));
    callers.extend(sayings);
    for (what, tls, alpn, name, opening) in callers {
        let recording = Recording::default();
        let calling = Client::new(tls.clone(), alpn).call(server, name, &recording).await;
        match within(calling).await {
            Ok(connection) => within(quic::listen(&connection, &opening, &recording)).await,
            Err(_) => quic::finish(&recording),
        }
        heard.insert(format!("quic, {what}"), recording.heard());
        let alpn = if alpn == "h3" { "http/1.1" } else { "h2" };
        let recording = Recording::default();
        within(tcp::talk(server, tls, alpn, name, &tcp::requests(&opening), &recording, || false)).await;
        heard.insert(format!("tcp, {what}"), recording.heard());
    }

    // A packet of no connection, half a first one, a byte, and a version that nobody speaks.
    let mut negotiate = [&[0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8][..], &[5; 8], &[0]].concat();
    negotiate.resize(1200, 0);
    let datagrams = [
        [&[0x40][..], &[9; 1199]].concat(),
        [&[0xc0, 0, 0, 0, 1, 8][..], &[6; 60]].concat(),
        vec![7],
        negotiate,
    ];
    let recording = Recording::default();
    let answer = within(quic::throw(server, &datagrams, &recording)).await;
    recording.note(|heard| heard.end = format!("{} bytes of versions", answer.len()));
    heard.insert("quic, garbage".to_owned(), recording.heard());
    for (what, bytes) in [
        ("garbage", vec![9; 3000]),
        ("a request in clear", b"GET / HTTP/1.1\r\nHost: vectr\r\n\r\n".to_vec()),
        ("HTTP/2 in clear", tcp::requests(&opening())),
        ("nothing", vec![]),
    ] {
        let recording = Recording::default();
        within(tcp::throw(server, &bytes, &recording)).await;
        heard.insert(format!("tcp, {what}"), recording.heard());
    }
    heard
}

/// All that a node knows and nobody else does who is not admitted.
fn secrets_of(node: &Node) -> Vec<Vec<u8>> {
    let site = node.db.site();
    let digest = node.db.digest(&ShardId::new(SHARD).unwrap()).unwrap().to_string();
    let number = site.number();
    let texts = [SHARD, NODE, VECTOR, METADATA, SECRET, "agent.db", &site.to_string(), &digest, "shard-1"];
    let mut secrets: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    secrets.extend([number.to_le_bytes().to_vec(), number.to_be_bytes().to_vec()]);
    secrets.push([0.125_f32, 7.75, -3.5].iter().flat_map(|component| component.to_le_bytes()).collect());
    secrets.push(node.folder.path().to_str().unwrap().as_bytes().to_vec());
    secrets
}

// Nothing that a node tells to people whom it does not admit may depend on what it holds.
#[tokio::test(flavor = "multi_thread")]
async fn hears_nothing_and_learns_no_size() {
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("shared.key");
    let secret = TlsSecret { name: "secret", text: SECRET.to_owned() };
    let pins = TlsConfig::default().pins([]).clone();
    let proof = TlsConfig::default().secrets(vec![secret]).clone();
    for trust in [pins, proof] {
        let (large, to_large) = node(NODE, SHARD, 500, &identity).await;
        let (small, to_small) = node("n", "s", 0, &identity).await;
        let heard = attempts(&large, to_large, &trust).await;
        let of_small = attempts(&small, to_small, &trust).await;
        for (attempt, heard) in &heard {
            println!("{attempt}: {}", heard.end);
            println!(
                "    {} in clear, {} inside, {:?}",
                heard.clear.len(),
                heard.inside.len(),
                heard.outline
            );
        }
        for (attempt, heard) in &heard {
            assert!(heard.application.is_empty(), "{attempt}: {:?}", heard.application);
            let is_stated = ENDS.iter().any(|end| heard.end.starts_with(end));
            assert!(is_stated, "{attempt} ended with {}", heard.end);
            let strange =
                heard.outline.iter().find(|line| !EXPECTED.iter().any(|name| line.starts_with(name)));
            assert_eq!(strange, None, "{attempt}");
            for secret in secrets_of(&large) {
                let leaks = contains(&heard.clear, &secret) || contains(&heard.inside, &secret);
                assert!(!leaks, "{attempt}: {}", String::from_utf8_lossy(&secret));
            }
            if attempt.starts_with("quic") {
                assert_eq!(heard.end, of_small[attempt].end, "{attempt}");
            }
        }
        assert_eq!(sizes(&heard), sizes(&of_small));
    }
}

// The control: what is recorded above would be found.
#[tokio::test(flavor = "multi_thread")]
async fn once_admitted_the_same_caller_hears_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_node, server) = node(NODE, SHARD, 1, &folder.path().join("key")).await;
    let own = tls::with_certificate();

    let recording = Recording::default();
    let client = Client::new(own.clone(), "vectr/1");
    let connection = within(client.call(server, "localhost", &recording).await).await.unwrap();
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(&opening()).await.unwrap();
    within(until(|| recording.has_inside(NODE.as_bytes()))).await;
    assert!(!contains(&recording.heard().clear, NODE.as_bytes()));

    let recording = Recording::default();
    let enough = || recording.has_inside(NODE.as_bytes());
    within(tcp::talk(server, &own, "h2", "localhost", &tcp::requests(&opening()), &recording, enough)).await;
    assert!(contains(&recording.heard().application, NODE.as_bytes()));
}

/// The frames and messages of each carrier, with their sizes, over all attempts: which of them come before a connection
/// is closed is a matter of chance.
fn sizes(heard: &BTreeMap<String, Heard>) -> BTreeSet<String> {
    let line = |(attempt, heard): (&String, &Heard)| {
        let carrier = attempt.split(',').next().unwrap().to_owned();
        heard.outline.iter().map(move |line| format!("{carrier}: {line}")).collect::<Vec<_>>()
    };
    heard.iter().flat_map(line).filter(|line| !BY_CHANCE.iter().any(|name| line.ends_with(name))).collect()
}

/// What the transports themselves send.
const EXPECTED: &[&str] = &[
    // TLS, in QUIC.
    "ServerHello",
    "EncryptedExtensions",
    "NewSessionTicket",
    "Certificate",
    "CertificateRequest",
    "CertificateVerify",
    "Finished",
    // QUIC.
    "PING",
    "ACK",
    "RESET_STREAM",
    "STOP_SENDING",
    "CRYPTO",
    "NEW_TOKEN",
    "MAX_DATA",
    "MAX_STREAM_DATA",
    "MAX_STREAMS",
    "NEW_CONNECTION_ID",
    "RETIRE_CONNECTION_ID",
    "CONNECTION_CLOSE",
    "HANDSHAKE_DONE",
    "IMMEDIATE_ACK",
    // HTTP/2, and the records of its control stream.
    "HEADERS",
    "RST_STREAM",
    "SETTINGS",
    "GOAWAY",
    "WINDOW_UPDATE",
    "arrived",
    "stop",
];

/// Frames of the transports that come or not as timing has it, and carry no size.
const BY_CHANCE: &[&str] = &[
    "PING",
    "NEW_TOKEN",
    "MAX_DATA",
    "MAX_STREAM_DATA",
    "MAX_STREAMS",
    "WINDOW_UPDATE",
    "RETIRE_CONNECTION_ID",
    "STOP_SENDING",
    "RESET_STREAM",
    "arrived",
    "stop",
];

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// Fails a test instead of letting it hang.
async fn within<T>(work: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work.into_future()).await.expect("it ends by itself")
}
