//! What peers, and outsiders in particular, can make a node hold.

mod members;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use vectr_delta::Frame;
use vectr_transport::{EndpointConfig, TlsConfig};

use crate::support::bare::{BareClient, BareServer};
use crate::support::bare_tcp::{BareTcp, CONTROL, RESERVED, STREAM, closed, tls};
use crate::support::talk::{Talker, bytes_message};
use crate::support::{Node, echo_all, until, within};

/// Forwards datagrams to a server, and none back: the handshakes of its callers stay half open.
async fn one_way(server: SocketAddr, accepted: Arc<Notify>) -> SocketAddr {
    let (front, back) =
        (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let address = front.local_addr().unwrap();
    back.connect(server).await.unwrap();
    tokio::spawn(async move {
        let (mut ahead, mut answer) = ([0; 2048], [0; 2048]);
        loop {
            tokio::select! {
                Ok((length, _)) = front.recv_from(&mut ahead) => {
                    let _ = back.send(&ahead[..length]).await;
                }
                Ok(_) = back.recv(&mut answer) => accepted.notify_one(),
            }
        }
    });
    address
}

/// Half-open handshakes of a stranger took the places of members, who were refused with ERR_BUSY.
#[tokio::test]
async fn half_open_handshakes_take_no_place_of_a_member() {
    let server = Node::with(EndpointConfig::default().max_connections(1).fallback(false).clone());
    let (listener, address) = server.listen().await;
    let remote = listener.local_addr();
    tokio::spawn(echo_all(listener));
    let mut strangers = vec![];
    // More than half of the places of strangers: the member has to prove its address, and notices nothing.
    for _ in 0..70 {
        let accepted = Arc::new(Notify::new());
        let (stranger, front) = (BareClient::new(), one_way(remote, Arc::clone(&accepted)).await);
        let calling = tokio::spawn(stranger.call(front).into_future());
        within(accepted.notified()).await;
        strangers.push((stranger, calling));
    }
    let member = Node::new();
    assert_eq!(within(member.exchange(&address, "hello")).await.unwrap(), "hello");
}

/// A node that was busy over QUIC was never called over TCP, where it has other places.
#[tokio::test]
async fn a_node_that_is_busy_over_quic_is_called_over_tcp() {
    let server = Node::with(EndpointConfig::default().quic(false).clone());
    let (listener, address) = server.listen().await;
    let busy = crate::support::bare::refusing(listener.local_addr());
    tokio::spawn(echo_all(listener));
    let member = Node::new();
    assert_eq!(within(member.exchange(&address, "hello")).await.unwrap(), "hello");
    assert_eq!(member.endpoint.statistics().fallback, 1);
    busy.close(0u32.into(), b"");
}

/// Reads the control stream of a connection until it ends, and returns what a close record says.
async fn told(control: impl Future<Output = Bytes>, code: u32, reason: &str) {
    let heard = within(control).await;
    let told = closed(code, reason);
    assert!(heard.ends_with(&told), "{:?}", String::from_utf8_lossy(&heard));
}

/// Any number of streams could be reserved: 9,794 that were reset at once were kept until the connection ended.
#[tokio::test]
async fn reserved_streams_are_limited_and_the_limit_is_named() {
    let server = Node::new();
    let (listener, _) = server.listen().await;
    let client = BareTcp::call(listener.local_addr()).await.unwrap();
    tokio::spawn(echo_all(listener));
    let flood = async {
        // Held until the connection has ended: dropping them would reset them.
        let mut reserved = vec![];
        for _ in 0..8 {
            reserved.push(client.post(RESERVED).await);
        }
        reserved
    };
    within(async { tokio::join!(told(client.hear(CONTROL, ""), 5, "reserved streams"), flood) }).await;
}

/// What was to be said about a stream waited without limit for a peer that does not listen.
#[tokio::test]
async fn records_that_are_not_read_are_limited() {
    let server = Node::new();
    let (listener, _) = server.listen().await;
    let remote = listener.local_addr();
    tokio::spawn(echo_all(listener));
    let (requests, connection) = h2::client::Builder::new()
        // The server cannot send a byte.
        .initial_window_size(0)
        .handshake::<_, Bytes>(tls(remote).await.unwrap())
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let client = BareTcp::on(requests);
    let _control = client.post(CONTROL).await.unwrap();
    let mut opened = 0;
    while let Ok((response, mut send)) = within(client.post(STREAM)).await {
        let _ = send.send_data(Bytes::new(), true);
        // Ends with trailers, which need no window.
        if let Ok(response) = within(response).await {
            let _ = within(async { response.into_body().trailers().await }).await;
        }
        opened += 1;
        assert!(opened < 20_000, "it goes on for ever");
    }
    assert!(opened > 4_000, "it ended after {opened} streams");
    let _ = within(connection).await.unwrap();
}

/// A receiver that does not read held the messages to it long after their callers had given up, and with them the room
/// for messages to anybody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_receiver_takes_no_room_from_others_and_gives_back_its_own() {
    let stalled = Talker::silent();
    let to_stalled = stalled.listen().await;
    let (healthy, _) = Talker::hearing();
    let to_healthy = healthy.listen().await;
    let client = Talker::silent();
    let large = || bytes_message("s", vec![1; (63 << 20) + 4096]);
    let limit = Some(Duration::from_secs(3));
    let first = client.messenger.send(&to_stalled, large(), limit);
    let second = client.messenger.send(&to_stalled, large(), limit);
    let third = client.messenger.send(&to_stalled, large(), limit).await.unwrap_err();
    assert_eq!(third.code(), "ERR_LIMIT");
    assert!(third.to_string().starts_with("the queue of outgoing messages to this peer"), "{third}");
    let other = async {
        within(client.messenger.send(&to_healthy, bytes_message("s", vec![1; 1 << 20]), None)).await.unwrap();
    };
    let (first, second, ()) = tokio::join!(first, second, other);
    assert_eq!([first.unwrap_err().code(), second.unwrap_err().code()], ["ERR_TIMEOUT"; 2]);
    until(|| client.messenger.statistics().outgoing_bytes == 0).await;
}

/// A call that was given up kept its share for ever, if another one on the same stream was given up before or after it.
#[tokio::test]
async fn a_call_that_is_given_up_beside_another_gives_its_share_back() {
    let server = BareServer::new();
    let address = server.address.to_string();
    let client = Talker::silent();
    // Says that the request was taken, and reads nothing more.
    let stalled = server.answer(frame(2, &1_u64.to_le_bytes()));
    let request =
        client.messenger.request(&address, bytes_message("s", vec![1]), Some(Duration::from_secs(2)));
    let large = bytes_message("s", vec![1; 16 << 20]);
    let sending = client.messenger.send(&address, large, Some(Duration::from_secs(1)));
    let given_up = async {
        let (request, sent) = tokio::join!(request, sending);
        assert_eq!([request.unwrap_err().code(), sent.unwrap_err().code()], ["ERR_TIMEOUT"; 2]);
        until(|| client.messenger.statistics().outgoing_bytes == 0).await;
    };
    tokio::select! {
        () = given_up => {}
        () = async { tokio::join!(stalled, std::future::pending::<()>()); } => {}
    }
}

/// A call that is given up while it waits is no longer counted, whatever its queue waits for.
#[tokio::test]
async fn a_message_that_is_given_up_before_it_is_sent_is_released_at_once() {
    let client = Talker::silent();
    // Nothing answers there: the queue waits for its connection.
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let waiting = [0, 1].map(|_| client.messenger.send(&address, bytes_message("t", vec![1; 1 << 20]), None));
    assert!(client.messenger.statistics().outgoing_bytes > 2 << 20);
    drop(waiting);
    assert_eq!(client.messenger.statistics().outgoing_bytes, 0);
}

fn frame(kind: u8, body: &[u8]) -> Bytes {
    Frame::piece(kind, [&[0; Frame::HEAD], body].concat(), false)
}

/// 60 messages of 260,000 empty arrays, 59 MB on the wire, took 999 MB and counted as 15 KB.
#[tokio::test]
async fn the_arrays_of_a_message_are_limited_and_counted() {
    let server = Talker::silent();
    let address = server.listen().await;
    let client = BareClient::new();
    let connection = client.call(address.parse().unwrap()).await.unwrap();
    let of_arrays = |count: u32| {
        // Number 0, no answer, id "i", type "t", form 1, no payload, no metadata, and empty arrays.
        let mut head = vec![0x98, 0, 0xc2, 0xa1, b'i', 0xa1, b't', 1, 0xc0, 0xc0, 0xdd];
        head.extend(count.to_be_bytes());
        (0..count).for_each(|_| head.extend([0x93, 0xa0, 0, 0]));
        let body = [&(head.len() as u32).to_le_bytes()[..], &[0; 4], &head].concat();
        [&[2], &frame(0, b"s")[..], &frame(1, &body)].concat()
    };
    let (mut refused, _recv) = connection.open_bi().await.unwrap();
    let _ = refused.write_all(&of_arrays(16_385)).await;
    assert_eq!(within(refused.stopped()).await.unwrap(), Some(0xffff_ff02_u32.into()));
    let (mut accepted, _recv) = connection.open_bi().await.unwrap();
    accepted.write_all(&of_arrays(16_384)).await.unwrap();
    until(|| server.messenger.statistics().incoming_bytes >= 16_384 * 96).await;
}

#[tokio::test]
async fn a_message_of_too_many_arrays_is_an_error_of_its_own_on_both_sides() {
    let client = Talker::silent();
    let mut message = bytes_message("s", vec![]);
    message.attachments = vec![message.attachments[0].clone(); 16_385];
    let refused = client.messenger.send("127.0.0.1:9", message, None).await.unwrap_err();
    assert_eq!(refused.code(), "ERR_LIMIT");
    assert!(refused.to_string().contains("16385, and at most 16384"), "{refused}");

    // A receiver with a lower limit.
    let server = BareServer::new();
    let address = server.address.to_string();
    let sending = client.messenger.send(&address, bytes_message("s", vec![1]), None);
    let (refused, ()) = within(async { tokio::join!(sending, server.cut_with(1, 0xffff_ff02)) }).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), "ERR_LIMIT", "{refused}");
    assert!(refused.to_string().contains("the arrays of a message"), "{refused}");
}

/// A connection that was being made when the configuration changed was kept, with the certificate of before.
#[tokio::test]
async fn a_change_of_trust_overtakes_connections_that_are_being_made() {
    let (server, client) = (Node::new(), Node::with(EndpointConfig::default().fallback(false).clone()));
    let (listener, _) = server.listen().await;
    let (called, open) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let address = gated(listener.local_addr(), Arc::clone(&called), Arc::clone(&open)).await.to_string();
    tokio::spawn(echo_all(listener));
    let connecting = tokio::spawn({
        let (endpoint, address) = (client.endpoint.clone(), address.clone());
        async move { endpoint.connect(&address).await }
    });
    within(called.notified()).await;
    client.endpoint.set_trust(&TlsConfig::default()).unwrap();
    open.notify_one();
    assert_eq!(within(connecting).await.unwrap().unwrap(), server.fingerprint());
    assert_eq!(within(client.exchange(&address, "hello")).await.unwrap(), "hello");
    assert_eq!(client.endpoint.statistics().created, 2);
}

/// Forwards the datagrams of one caller in both directions, once it may.
async fn gated(server: SocketAddr, called: Arc<Notify>, open: Arc<Notify>) -> SocketAddr {
    let (front, back) =
        (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let address = front.local_addr().unwrap();
    back.connect(server).await.unwrap();
    tokio::spawn(async move {
        let (mut ahead, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        let (length, caller) = front.recv_from(&mut ahead).await.unwrap();
        called.notify_one();
        open.notified().await;
        let _ = back.send(&ahead[..length]).await;
        loop {
            tokio::select! {
                Ok((length, _)) = front.recv_from(&mut ahead) => {
                    let _ = back.send(&ahead[..length]).await;
                }
                Ok(length) = back.recv(&mut answer) => {
                    let _ = front.send_to(&answer[..length], caller).await;
                }
            }
        }
    });
    address
}

/// Nothing of a listener survives a close that runs beside it: the port stayed bound in 4 of 100 runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_port_is_free_after_closing_beside_listening() {
    // Below the ports that systems hand out, on an address of its own.
    let ip = IpAddr::V4(Ipv4Addr::new(127, 77, 0, 1));
    let port = 20_000 + (std::process::id() % 5_000) as u16;
    let address = SocketAddr::new(ip, port);
    if std::net::UdpSocket::bind(address).is_err() {
        // Not every system has more than one loopback address.
        return;
    }
    for round in 0..200 {
        let node = Node::new();
        let endpoint = node.endpoint.clone();
        let listening = tokio::spawn(async move { endpoint.listen(&address.to_string()).await });
        for _ in 0..round % 8 {
            tokio::task::yield_now().await;
        }
        within(node.endpoint.close()).await;
        // Closed first or bound first: in both cases the port is free now.
        std::net::UdpSocket::bind(address).unwrap_or_else(|error| panic!("round {round}: {error}"));
        if let Ok(listener) = listening.await.unwrap() {
            assert!(listener.accept().await.is_none());
        }
        drop(std::net::TcpListener::bind(address).unwrap_or_else(|error| panic!("round {round}: {error}")));
    }
}

/// A former member's ticket was accepted, and its early data buffered.
#[tokio::test]
async fn a_former_member_resumes_nothing() {
    let server = Node::new();
    let former = BareClient::new();
    server.trust.set_pins([former.fingerprint]);
    let (listener, _) = server.listen().await;
    let remote = listener.local_addr();
    tokio::spawn(echo_all(listener));
    for was_removed in [false, true] {
        let first = within(former.call(remote)).await.unwrap();
        // An echo comes after the tickets.
        let (mut send, mut recv) = first.open_bi().await.unwrap();
        send.write_all(b"\0hello").await.unwrap();
        send.finish().unwrap();
        assert_eq!(within(recv.read_to_end(100)).await.unwrap(), b"hello");
        first.close(0u32.into(), b"");
        if was_removed {
            server.trust.set_pins([]);
        }
        let (_connection, accepted) =
            former.call(remote).into_0rtt().unwrap_or_else(|_| panic!("a ticket has come"));
        assert_eq!(within(accepted).await, !was_removed);
    }
}

/// What an outsider without the cluster's secret can make a node hold, as SECURITY.md states it.
#[cfg(target_os = "linux")]
mod outsiders {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use vectr_transport::TlsSecret;

    use super::*;

    /// As docs/limits.md and SECURITY.md say.
    const OUTSIDERS: usize = 64 << 20;

    /// A node with a secret, in a process whose memory is its own.
    struct Served {
        child: Child,
        remote: SocketAddr,
    }

    impl Served {
        async fn start() -> Self {
            let program = std::env::current_exe().unwrap();
            let mut child = Command::new(program)
                .args(["limits::outsiders::serve", "--exact", "--ignored", "--nocapture"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let starting = tokio::task::spawn_blocking(move || {
                let address =
                    lines.find_map(|line| Some(line.unwrap().split_once("listening on ")?.1.to_owned()));
                address.expect("it says where it listens").trim().parse().unwrap()
            });
            Self { remote: within(starting).await.unwrap(), child }
        }

        /// The memory of the process, in bytes.
        fn memory(&self, field: &str) -> usize {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
            line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<usize>().unwrap() << 10
        }
    }

    impl Drop for Served {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "the process that another test starts"]
    async fn serve() {
        let secret = TlsSecret { name: "secret", text: "the secret of the cluster".to_owned() };
        let config = EndpointConfig::default().connect_timeout(Duration::from_secs(60)).clone();
        let server = Node::configured_with(TlsConfig::default().secrets(vec![secret]), config);
        let (listener, address) = server.listen().await;
        tokio::spawn(echo_all(listener));
        println!("listening on {address}");
        // Until the other test lets go of it.
        let waiting = tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop));
        waiting.await.unwrap();
    }

    /// Frames of HTTP/2 that no library would send.
    fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
        let mut frame = (body.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(body);
        frame
    }

    fn head(path: &str) -> Vec<u8> {
        // POST, https, the path and the authority as literals.
        let mut head = vec![0x83, 0x87, 0x04, path.len() as u8];
        head.extend(path.as_bytes());
        head.extend([0x01, 5]);
        head.extend(b"vectr");
        head
    }

    /// A connection that sends all this, and reads until it is closed.
    async fn flood(remote: SocketAddr, frames: Vec<u8>) -> tokio::task::JoinHandle<()> {
        let mut stream = tls(remote).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        tokio::spawn(async move {
            let _ = stream.write_all(&frame(4, 0, 0, &[])).await;
            let _ = stream.write_all(&frames).await;
            let _ = stream.flush().await;
            let mut ignored = vec![0; 1 << 16];
            while matches!(stream.read(&mut ignored).await, Ok(1..)) {}
        })
    }

    /// 18 MB on the wire made a node hold 1,074 MB.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_they_make_a_node_hold_is_one_stated_figure() {
        let served = Served::start().await;
        let before = served.memory("VmRSS");

        // Headers of half a million fields in trailers; a list of headers that never ends; frames of one byte.
        let mut trailers = vec![0x40, 1, b'x', 0];
        trailers.resize(60_000, 0xbe);
        let mut bomb = vec![];
        for stream in (1..16).step_by(2) {
            bomb.extend(frame(1, 4, stream, &head(RESERVED)));
            bomb.extend(frame(1, 1, stream, &trailers));
            for end in [0, 0, 0, 0, 4] {
                bomb.extend(frame(9, end, stream, &trailers));
            }
        }
        let mut endless = frame(1, 0, 1, &[0x40, 1, b'x', 0x7f, 0xff, 0xff, 0x7f]);
        for _ in 0..8 {
            endless.extend(frame(9, 0, 1, &[b'x'; 60_000]));
        }
        let mut crumbs = vec![];
        for stream in (1..16).step_by(2) {
            crumbs.extend(frame(1, 4, stream, &head(if stream == 1 { CONTROL } else { RESERVED })));
        }
        for at in 0..60_000 {
            crumbs.extend(frame(0, 0, 3 + 2 * (at % 7), b"x"));
        }
        let mut connections = vec![];
        for number in 0..96 {
            let frames = [&bomb, &endless, &crumbs][number % 3].clone();
            connections.push(flood(served.remote, frames).await);
        }
        // Over QUIC as many as are let in, each with as much as it may send.
        let mut clients = vec![];
        for _ in 0..128 {
            let client = BareClient::new();
            let Ok(connection) = within(client.call(served.remote)).await else { continue };
            for _ in 0..8 {
                let connection = connection.clone();
                tokio::spawn(async move {
                    let Ok((mut send, _recv)) = connection.open_bi().await else { return };
                    let _ = send.write_all(&[3; 4096]).await;
                    connection.closed().await;
                });
            }
            clients.push((client, connection));
        }
        let held = served.memory("VmHWM") - before;
        println!("outsiders made the node hold {} KiB at most", held >> 10);
        assert!(held < OUTSIDERS, "{} MiB", held >> 20);

        // It is none the worse: a member gets in beside them.
        let secret = TlsSecret { name: "secret", text: "the secret of the cluster".to_owned() };
        let member = Node::configured(TlsConfig::default().secrets(vec![secret]));
        let heard = within(member.exchange(&served.remote.to_string(), "hello")).await;
        assert_eq!(heard.unwrap(), "hello");
    }
}
