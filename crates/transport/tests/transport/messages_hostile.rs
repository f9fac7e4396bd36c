//! What a misbehaving peer may do to message streams.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use vectr_delta::Frame;
use vectr_transport::{AckHandle, EndpointConfig};

use crate::support::bare::BareClient;
use crate::support::talk::{Heard, Talker, bytes_message, message};
use crate::support::{until, within};

const OPEN: u8 = 0;
const MESSAGE: u8 = 1;

fn frame(kind: u8, body: &[u8], more: bool) -> Bytes {
    Frame::piece(kind, [&[0; Frame::HEAD], body].concat(), more)
}

/// The body of a message without content, as MessagePack writes its head.
fn body(number: u8, id: &str) -> Vec<u8> {
    let mut head = vec![0x98, number, 0xc2, 0xa0 | id.len() as u8];
    head.extend_from_slice(id.as_bytes());
    // Type "t", form 1, no payload, no metadata, no arrays.
    head.extend_from_slice(&[0xa1, b't', 1, 0xc0, 0xc0, 0x90]);
    [&(head.len() as u32).to_le_bytes(), &0u32.to_le_bytes(), head.as_slice()].concat()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.next() % most).map(|_| self.next() as u8).collect()
    }
}

/// Writes bytes to a new message stream. Returns whether the peer aborted it.
async fn broken_off(connection: &quinn::Connection, pieces: &[&[u8]]) -> bool {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&[2]).await.unwrap();
    for piece in pieces {
        if send.write_all(piece).await.is_err() {
            return true;
        }
    }
    let _ = send.finish();
    within(recv.read_to_end(1 << 20)).await.is_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_streams_are_aborted_and_affect_no_other() {
    let (server, heard) = Talker::hearing();
    let address = server.listen().await;
    let honest = Talker::silent();
    let bare = BareClient::new();
    let connection = bare.call(address.parse().unwrap()).await.unwrap();

    let open = frame(OPEN, b"s", false);
    let lawful = frame(MESSAGE, &body(0, "lawful"), false);
    assert!(!broken_off(&connection, &[&open, &lawful]).await);
    assert_eq!(heard.lock().unwrap().len(), 1);

    let huge = |head: u32, content: u32| [head.to_le_bytes(), content.to_le_bytes()].concat();
    let mut flipped = lawful.to_vec();
    flipped[12] ^= 1;
    let long = vec![b'x'; 1025];
    let cases: Vec<(&str, Vec<Bytes>)> = vec![
        ("no name", vec![frame(OPEN, b"", false)]),
        ("a long name", vec![frame(OPEN, &long, false)]),
        ("no opening", vec![lawful.clone()]),
        ("a second opening", vec![open.clone(), open.clone()]),
        ("a frame for the other direction", vec![open.clone(), frame(2, &[0; 8], false)]),
        ("an unknown frame", vec![open.clone(), frame(77, b"", false)]),
        ("a flipped bit", vec![open.clone(), flipped.into()]),
        ("a frame of 4 GiB", vec![open.clone(), Bytes::from_static(&[0xff; 16])]),
        ("no lengths", vec![open.clone(), frame(MESSAGE, b"1234", false)]),
        ("a head of 4 GiB", vec![open.clone(), frame(MESSAGE, &huge(u32::MAX, 0), true)]),
        ("a content of 64 MiB + 1", vec![open.clone(), frame(MESSAGE, &huge(9, (64 << 20) + 1), true)]),
        ("a head that is no list", vec![open.clone(), frame(MESSAGE, &huge(0, 0), false)]),
        (
            "more than announced",
            vec![open.clone(), frame(MESSAGE, &[huge(1, 0), vec![0; 9]].concat(), false)],
        ),
        ("less than announced", vec![open.clone(), frame(MESSAGE, &huge(1000, 0), false)]),
        (
            "a piece of nothing",
            vec![open.clone(), frame(MESSAGE, &huge(9, 0), true), frame(MESSAGE, b"", true)],
        ),
        ("a wrong number", vec![open.clone(), frame(MESSAGE, &body(1, "x"), false)]),
        ("a number twice", vec![open.clone(), lawful.clone(), lawful.clone()]),
    ];
    for (index, (name, pieces)) in cases.iter().enumerate() {
        let pieces: Vec<&[u8]> = pieces.iter().map(AsRef::as_ref).collect();
        assert!(broken_off(&connection, &pieces).await, "{name}");
        within(honest.messenger.send(&address, message("s", format!("honest {index}")), None)).await.unwrap();
    }
    // The number twice was heard once.
    let lawful = heard.lock().unwrap().iter().filter(|(_, message)| message.id == "lawful").count();
    assert_eq!(lawful, 2);
    assert!(connection.close_reason().is_none(), "the connection is none the worse");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bytes_make_a_receiver_panic_or_keep_memory() {
    let seed = std::env::var("VECTR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1
    });
    println!("VECTR_SEED={seed}");
    let mut random = Random(seed);
    let (server, _) = Talker::hearing();
    let address = server.listen().await;
    let bare = BareClient::new();
    let connection = bare.call(address.parse().unwrap()).await.unwrap();
    let open = frame(OPEN, b"s", false);
    for _ in 0..2000 {
        let mut message = body(0, "id");
        let piece = match random.next() % 4 {
            0 => Bytes::from(random.bytes(200)),
            1 => frame(MESSAGE, &random.bytes(200), random.next().is_multiple_of(2)),
            2 => {
                // A head of a few flipped bits, within a frame that is sound.
                for _ in 0..1 + random.next() % 3 {
                    let at = random.next() as usize % message.len();
                    message[at] ^= 1 << (random.next() % 8);
                }
                frame(MESSAGE, &message, false)
            }
            _ => {
                message.extend(random.bytes(20));
                frame(MESSAGE, &message[..random.next() as usize % message.len()], false)
            }
        };
        broken_off(&connection, &[&open, &piece]).await;
    }
    assert!(connection.close_reason().is_none());
    assert_eq!(server.messenger.statistics().incoming_bytes, 0);
    let honest = Talker::silent();
    within(honest.messenger.send(&address, message("s", "honest"), None)).await.unwrap();
}

/// Opens a stream, and sends 64 requests on it whose answers are not read.
async fn ask(connection: &quinn::Connection, stream: u8) -> (quinn::SendStream, quinn::RecvStream) {
    let (mut send, recv) = connection.open_bi().await.unwrap();
    send.write_all(&[&[2], &frame(OPEN, &[b'a' + stream], false)[..]].concat()).await.unwrap();
    for number in 0..64 {
        let mut request = body(number, "r");
        request[10] = 0xc3;
        send.write_all(&frame(MESSAGE, &request, false)).await.unwrap();
    }
    (send, recv)
}

/// A peer that asked and did not read had all its requests answered: 6.4 GB waited for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_not_read_hold_back_requests_of_their_connection() {
    const ANSWER: usize = 256 << 10;
    let (asked, read, most) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let (seen, most_unread) = (Arc::clone(&read), Arc::clone(&most));
    let server = Talker::new(move |delivery| {
        let answered = (asked.fetch_add(1, Ordering::AcqRel) + 1) * ANSWER;
        most_unread.fetch_max(answered.saturating_sub(seen.load(Ordering::Acquire)), Ordering::AcqRel);
        delivery.ack.acknowledge();
        delivery.ack.answer(bytes_message("s", vec![1; ANSWER])).unwrap();
    });
    server.messenger.subscribe(None);
    let address = server.listen().await;
    let bare = BareClient::new();
    let connection = bare.call(address.parse().unwrap()).await.unwrap();
    let mut streams = vec![];
    for stream in 0..8 {
        streams.push(ask(&connection, stream).await);
    }
    // All are answered once they are read, those that were held back too.
    let mut reading = JoinSet::new();
    for (mut send, mut recv) in streams {
        let read = Arc::clone(&read);
        reading.spawn(async move {
            send.finish().unwrap();
            let mut total = 0;
            while let Some(chunk) = within(recv.read_chunk(1 << 20, true)).await.unwrap() {
                total += chunk.bytes.len();
                read.fetch_add(chunk.bytes.len(), Ordering::AcqRel);
            }
            total
        });
    }
    let totals = reading.join_all().await;
    assert!(totals.iter().all(|total| *total > 64 * ANSWER), "{totals:?}");
    // Of 128 MiB: 4 that wait, and what is in the windows of this client.
    let most = most.load(Ordering::Acquire);
    assert!(most < 32 << 20, "{most} bytes waited");
}

/// Requests that handlers work on by then are answered still, and not beyond a limit.
#[tokio::test]
async fn answers_beyond_the_limit_of_a_peer_that_does_not_read_are_refused() {
    let acks = Arc::<Mutex<Vec<AckHandle>>>::default();
    let kept = Arc::clone(&acks);
    let server = Talker::new(move |delivery| kept.lock().unwrap().push(delivery.ack));
    server.messenger.subscribe(None);
    let address = server.listen().await;
    let bare = BareClient::new();
    let connection = bare.call(address.parse().unwrap()).await.unwrap();
    let _stream = ask(&connection, 0).await;
    until(|| acks.lock().unwrap().len() == 64).await;
    let answer = bytes_message("s", vec![1; 8 << 20]);
    let acks = std::mem::take(&mut *acks.lock().unwrap());
    let outcomes: Vec<_> = acks.into_iter().map(|ack| ack.answer(answer.clone())).collect();
    let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(refused.len() >= 32, "{} of 64", refused.len());
    assert!(refused.iter().all(|error| error.code() == "ERR_LIMIT"), "{}", refused[0]);
}

/// It was waited for as long as its connection lived.
#[tokio::test]
async fn a_peer_that_does_not_read_an_answer_has_its_stream_aborted() {
    let config = EndpointConfig::default().idle_timeout(Duration::from_secs(1)).clone();
    let server = Talker::limited(config, |delivery| {
        delivery.ack.answer(bytes_message("s", vec![1; 8 << 20])).unwrap();
    });
    server.messenger.subscribe(None);
    let address = server.listen().await;
    let bare = BareClient::new();
    let connection = bare.call(address.parse().unwrap()).await.unwrap();
    let (_send, mut recv) = ask(&connection, 0).await;
    assert!(within(recv.received_reset()).await.unwrap().is_some());
    assert!(connection.close_reason().is_none());
}

/// Streams that end by a reset, at any byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_delivers_a_beginning_each_message_once() {
    let (heard, handler): (Heard, _) = crate::support::talk::keeping();
    let server = Talker::new(handler);
    server.messenger.subscribe(None);
    let address = server.listen().await;
    let bare = BareClient::new();
    let connection = bare.call(address.parse().unwrap()).await.unwrap();
    let frames: Vec<u8> = (0..20).flat_map(|n| frame(MESSAGE, &body(n, &n.to_string()), false)).collect();
    for cut in (0..frames.len()).step_by(37) {
        heard.lock().unwrap().clear();
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(&[&[2], &frame(OPEN, b"s", false)[..], &frames[..cut]].concat()).await.unwrap();
        send.reset(7u32.into()).unwrap();
        let _ = within(recv.read_to_end(1 << 20)).await;
        let ids: Vec<String> = heard.lock().unwrap().iter().map(|(_, message)| message.id.clone()).collect();
        let expected: Vec<String> = (0..ids.len()).map(|id| id.to_string()).collect();
        assert_eq!(ids, expected, "cut after {cut} bytes");
    }
}

/// A receiver acknowledges messages that were never sent, or sends nonsense.
#[tokio::test]
async fn a_sender_survives_what_a_receiver_says() {
    let server = crate::support::bare::BareServer::new();
    let address = server.address.to_string();
    let client = Talker::silent();
    let lies: Vec<Bytes> = vec![
        frame(2, &99u64.to_le_bytes(), false),
        frame(2, b"123", false),
        frame(3, &[0xff; 20], false),
        frame(3, &[&u32::MAX.to_le_bytes()[..], &[0; 4]].concat(), true),
        frame(4, &[0xff; 3], false),
        frame(9, b"", false),
        Bytes::from_static(&[0xff; 32]),
    ];
    for lie in lies {
        let request = client.messenger.request(&address, message("s", 1), Some(Duration::from_secs(20)));
        let lied = server.answer(lie);
        let (outcome, ()) = within(async { tokio::join!(request, lied) }).await;
        assert_eq!(outcome.unwrap_err().code(), "ERR_PROTOCOL");
    }
    // Cut off before, within and after the message.
    for read in [0, 3, 1000] {
        let request = client.messenger.send(&address, message("s", 1), Some(Duration::from_secs(20)));
        let (outcome, ()) = within(async { tokio::join!(request, server.cut(read)) }).await;
        assert_eq!(outcome.unwrap_err().code(), "ERR_PEER_UNREACHABLE");
    }
    until(|| client.messenger.statistics().outgoing_bytes == 0).await;
}

/// Three messages that had the room for large ones, and others that waited for it: what these had sent by then filled the
/// connection's window, so that the three never came to their end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_that_wait_for_room_let_those_that_have_it_end() {
    let server = Talker::silent();
    let address = server.listen().await;
    let client = BareClient::new();
    let connection = client.call(address.parse().unwrap()).await.unwrap();
    const PIECE: usize = 1 << 19;
    // Number 0, no answer, id "i", type "t", form 1, no payload, no metadata, and one array of bytes.
    let body = |length: usize| {
        let mut head = vec![0x98, 0, 0xc2, 0xa1, b'i', 0xa1, b't', 1, 0xc0, 0xc0, 0x91, 0x93, 0xa0, 0, 0xce];
        head.extend((length as u32).to_be_bytes());
        [&(head.len() as u32).to_le_bytes()[..], &(length as u32).to_le_bytes(), &head, &vec![7; length]]
            .concat()
    };
    let frames = |name: &'static [u8], length: usize| {
        let body = body(length);
        let last = body.len().div_ceil(PIECE) - 1;
        let pieces =
            body.chunks(PIECE).enumerate().map(|(n, piece)| frame(MESSAGE, piece, n < last).to_vec());
        std::iter::once([&[2][..], &frame(OPEN, name, false)].concat()).chain(pieces).collect::<Vec<_>>()
    };
    let open = async |frames: &[Vec<u8>]| {
        let (mut send, recv) = connection.open_bi().await.unwrap();
        within(send.write_all(&frames.concat())).await.unwrap();
        (send, recv)
    };
    const WHOLE: usize = 63 << 20;
    let mut begun = vec![];
    for name in [b"a", b"b", b"c"] {
        let frames = frames(name, WHOLE);
        begun.push((open(&frames[..4]).await, frames[4..].concat()));
    }
    // They have the room once their first frames were read, which the others wait for with all that they may send.
    let mut waiting = vec![];
    for name in [b"d", b"e", b"f", b"g", b"h", b"i"] {
        let frames = frames(name, 8 << 20);
        let (mut send, recv) = connection.open_bi().await.unwrap();
        let rest = frames.concat();
        waiting.push((tokio::spawn(async move { send.write_all(&rest).await.map(|()| send) }), recv));
    }
    for ((mut send, recv), rest) in begun {
        within(send.write_all(&rest)).await.unwrap();
        drop((send.finish(), recv));
    }
    until(|| server.messenger.statistics().incoming_bytes >= 3 * WHOLE).await;
}
