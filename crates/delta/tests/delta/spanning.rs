//! Messages about shards with more sites than a frame has room for.

use std::collections::BTreeMap;

use vectr_delta::{
    DeltaError, End, Ending, Frame, FrameDecoder, Hello, KnownHellos, Message, MessageDecoder, NodeName,
    Open, Session, ShardVersion, Since, SiteId, StoreReply, StoreRequest, Uncompressed,
};

use crate::properties::wire::decode;
use crate::session::{self, end, hello, new_session, page_with};
use crate::support::draw::Draw;
use crate::support::hostile::seal;

#[test]
fn messages_of_a_hundred_thousand_sites_come_back() {
    // A shard with 3,700 sites and long names never synced again: its End exceeded a frame.
    let mut draw = Draw::new(1);
    let names = many(100_000).iter().map(|(site, _)| (site, name(80))).collect();
    let messages = [
        Message::Hello(Box::new(Hello { version_vector: many(100_000), ..draw.hello() })),
        Message::End(Box::new(End { version_vector: many(100_000), names, ..end(1, 0) })),
        Message::Durable(many(100_000)),
    ];
    for message in messages {
        let frames = message.encode(&Uncompressed).unwrap();
        assert!(frames.len() > 1 && frames.iter().all(|frame| frame.len() <= Frame::MAX_BYTES));
        assert!(decode(&frames.concat()).unwrap() == [message]);
        assert!(decode(&frames[..frames.len() - 1].concat()).unwrap().is_empty());
    }
}

#[test]
fn only_messages_that_may_span_frames_do() {
    for kind in [4, 6, 7, 8, 9, 200] {
        assert_eq!(decode(&continued(kind, &[0; 9])).unwrap_err().code(), "ERR_PROTOCOL", "{kind}");
    }
    for kind in [1, 2, 3, 5] {
        assert!(decode(&continued(kind, &[0; 9])).unwrap().is_empty());
        let mixed = [continued(kind, &[0; 9]), seal(6, &[])].concat();
        assert_eq!(decode(&mixed).unwrap_err().code(), "ERR_PROTOCOL", "{kind}");
    }
}

#[test]
fn a_message_that_never_ends_is_refused_at_its_limit() {
    for kind in [1, 3, 5] {
        let piece = continued(kind, &vec![0; Frame::MAX_BODY]);
        let (mut bytes, mut refusal) = (0, None);
        let (mut frames, mut messages) = (FrameDecoder::default(), MessageDecoder::default());
        while refusal.is_none() && bytes < 64 << 20 {
            frames.receive(&piece);
            bytes += piece.len();
            let frame = frames.poll_frame().unwrap().unwrap();
            refusal = messages.receive(frame, &[&Uncompressed]).err();
        }
        assert_eq!(refusal.as_ref().map(DeltaError::code), Some("ERR_LIMIT"));
        assert!(bytes < 18 << 20, "{bytes} bytes of kind {kind} were kept");
    }
}

// A peer had 65 MiB assembled before anybody knew which shard it wants, and whether it may.
#[test]
fn a_session_begins_with_no_more_than_a_hello() {
    let receive = |decoder: &mut MessageDecoder, bytes: &[u8]| {
        let mut frames = FrameDecoder::default();
        frames.receive(bytes);
        decoder.receive(frames.poll_frame().unwrap().unwrap(), &[&Uncompressed])
    };
    for kind in [2, 3, 4, 5, 6, 7, 13, 14, 41, 200] {
        for bytes in [continued(kind, &[0; 9]), seal(kind, &[])] {
            let refusal = receive(&mut MessageDecoder::of_session(), &bytes).unwrap_err();
            assert_eq!(refusal.code(), "ERR_PROTOCOL", "{kind}");
        }
    }
    for kind in [1, 32] {
        let (mut decoder, mut taken) = (MessageDecoder::of_session(), 0);
        let refusal = loop {
            let piece = continued(kind, &vec![0; Frame::MAX_BODY]);
            match receive(&mut decoder, &piece) {
                Ok(_) => taken += Frame::MAX_BODY,
                Err(refusal) => break refusal,
            }
        };
        assert_eq!((refusal.code(), taken <= Hello::MAX_BYTES), ("ERR_LIMIT", true));
    }
    let mut decoder = MessageDecoder::of_session();
    let longest = Message::Hello(Box::new(Hello { version_vector: many(262_144), ..hello(false, 4) }));
    let frames = longest.encode(&Uncompressed).unwrap();
    let received: Vec<Message> =
        frames.iter().filter_map(|frame| receive(&mut decoder, frame).unwrap()).collect();
    assert!(received == [longest]);
    let ack = Message::Ack(1).encode(&Uncompressed).unwrap().concat();
    assert_eq!(receive(&mut decoder, &ack).unwrap(), Some(Message::Ack(1)), "all may follow the hello");
}

#[test]
fn more_sites_than_a_shard_may_have_are_refused() {
    for sites in [262_144, 262_145] {
        let bytes = Message::Durable(many(sites)).encode(&Uncompressed).unwrap().concat();
        assert_eq!(decode(&bytes).is_ok(), sites == 262_144);
    }
}

#[test]
fn names_that_a_message_has_no_room_for_are_left_out() {
    let names = || many(30_000).iter().map(|(site, _)| (site, name(256))).collect();
    for reads_spans in [false, true] {
        let mut session = begun_with(reads_spans);
        session.handle_store(page_with(many(30_000), names()));
        let sent = std::iter::from_fn(|| session.poll_transmit());
        let end = sent.into_iter().find(|message| matches!(message, Message::End(_))).unwrap();
        let frames = end.encode(&Uncompressed).unwrap();
        let Message::End(end) = end else { unreachable!("it was found") };
        assert_eq!((frames.len() == 1, end.names.len() < 30_000), (!reads_spans, !reads_spans));
        assert!(!end.names.is_empty());
    }
}

#[test]
fn a_hello_that_spans_frames_asks_first() {
    for reads_spans in [false, true] {
        let mut session = new_session(false, 4);
        assert!(matches!(session.poll_store(), Some(StoreRequest::ReadHello { .. })));
        let long = Hello { version_vector: many(40_000), ..hello(false, 4) };
        session.handle_store(StoreReply::Hello {
            hello: Box::new(long),
            commit_no: 0,
            alterations: 0,
            held: vec![],
        });
        assert!(matches!(session.poll_transmit(), Some(Message::Open(_))));
        assert!(session.poll_transmit().is_none(), "the peer has yet to answer");
        session.receive(Message::Hello(Box::new(of_peer(reads_spans))));
        if reads_spans {
            assert!(matches!(session.poll_transmit(), Some(Message::Hello(_))));
        } else {
            assert_refused(&mut session);
        }
    }
}

#[test]
fn a_long_hello_answers_an_open_only_if_the_opener_assembles_it() {
    let shard = hello(false, 4).shard;
    for open in [Open { shard: shard.clone(), codecs: vec![] }, Open::of_this_build(shard)] {
        let mut session = new_session(false, 4);
        session.receive(Message::Open(open.clone()));
        assert!(matches!(session.poll_store(), Some(StoreRequest::ReadHello { .. })));
        let long = Hello { version_vector: many(40_000), ..hello(false, 4) };
        session.handle_store(StoreReply::Hello {
            hello: Box::new(long),
            commit_no: 0,
            alterations: 0,
            held: vec![],
        });
        if !open.codecs.is_empty() {
            assert!(matches!(session.poll_transmit(), Some(Message::Hello(_))));
            continue;
        }
        assert!(session.poll_transmit().is_none(), "the opener's hello is under way");
        session.receive(Message::Hello(Box::new(of_peer(false))));
        assert_refused(&mut session);
    }
}

#[test]
fn what_a_former_build_cannot_take_in_ends_with_a_code() {
    // The End did not fit a frame: the stream broke, and both sides saw an unreachable peer.
    let mut session = begun_with(false);
    session.handle_store(page_with(many(40_000), BTreeMap::new()));
    assert_refused(&mut session);
}

#[test]
fn hellos_tell_what_is_new_since_those_that_both_remember() {
    let (a, b) = (many(5_000), many(5_010));
    let (mut first, mut second) = handshake([None, None], [a.clone(), b.clone()]);
    assert_eq!((kinds(&first), kinds(&second)), (vec!["hello"], vec!["hello"]));
    let known = [first.0.known_hellos(), second.0.known_hellos()];
    assert!(known.iter().all(Option::is_some));
    let more = [a.joined(&[(SiteId::new(5), 1)].into_iter().collect()), b.clone()];
    (first, second) = handshake(known.clone(), more.clone());
    assert_eq!((kinds(&first), kinds(&second)), (vec!["since"], vec!["since"]));
    assert!(bytes(&first) < 300 && bytes(&second) < 300);
    assert_eq!(first.0.peer().unwrap().version_vector, more[1]);
    assert_eq!(second.0.peer().unwrap().version_vector, more[0]);
    // One of them has been restarted, or has met another copy of the peer in between.
    let other = handshake([None, None], [many(300), many(400)]).1.0.known_hellos();
    for forgotten in [None, other] {
        (first, second) = handshake([known[0].clone(), forgotten], more.clone());
        assert_eq!(kinds(&first), ["since", "hello"]);
        assert!(kinds(&second).contains(&"tell all"));
        assert_eq!(first.0.peer().unwrap().version_vector, more[1]);
        assert_eq!(second.0.peer().unwrap().version_vector, more[0]);
    }
    // It claims less than it did: a fork was noticed.
    (first, second) = handshake(known, [many(4_000), b.clone()]);
    assert_eq!((kinds(&first), kinds(&second)), (vec!["hello"], vec!["since"]));
    assert_eq!(second.0.peer().unwrap().version_vector, many(4_000));
}

#[test]
fn nothing_follows_a_short_hello_before_the_peer_has_all_of_it() {
    let (first, _) = handshake([None, None], [many(5_000), many(5_000)]);
    // The peer was restarted: it says everything, and knows nothing.
    let [mut a, mut b] = begin([first.0.known_hellos(), None], [many(5_001), many(5_000)]);
    pass(&mut b, &mut a);
    a.0.handle_store(StoreReply::HelloAccepted);
    a.0.handle_store(page_with(many(5_001), BTreeMap::new()));
    pass(&mut a, &mut b);
    assert_eq!(kinds(&a), ["since"]);
    pass(&mut b, &mut a);
    pass(&mut a, &mut b);
    assert_eq!(kinds(&a)[..2], ["since", "hello"]);
    assert_eq!(b.0.ending(), None);
    assert_eq!(b.0.peer().unwrap().version_vector, many(5_001));
}

#[test]
fn ends_and_confirmations_tell_what_is_new_since_the_hello() {
    let (mut a, mut b) = handshake([None, None], [many(5_000), many(5_000)]);
    a.0.handle_store(page_with(many(5_003), BTreeMap::new()));
    pass(&mut a, &mut b);
    assert_eq!(kinds(&a), ["hello", "since"]);
    let Some(StoreRequest::End { end, .. }) = std::iter::from_fn(|| b.0.poll_store()).last() else {
        panic!("the end is not applied")
    };
    assert_eq!(end.version_vector, many(5_003));
}

#[test]
fn what_builds_upon_nothing_is_refused() {
    let durable = |session| Message::Since(Since { session, message: Box::new(Message::Durable(many(1))) });
    let hello = Message::Hello(Box::new(hello(false, 4)));
    let again = Message::Since(Since { session: 0, message: Box::new(hello) });
    for nonsense in [durable(7), again, Message::TellAll] {
        let mut session = begun_with(true);
        session.receive(nonsense);
        assert!(matches!(session.ending(), Some(Ending::Failed { code, .. }) if code == "ERR_PROTOCOL"));
    }
    let ack = Since { session: 0, message: Box::new(Message::Ack(1)) };
    let bytes = Message::Since(ack).encode(&Uncompressed).unwrap().concat();
    assert_eq!(decode(&bytes).unwrap_err().code(), "ERR_PROTOCOL");
}

/// A session, and what it has sent.
type Sent = (Session, Vec<Message>);

/// Two sessions that have yet to hear of each other.
fn begin(known: [Option<KnownHellos>; 2], claims: [ShardVersion; 2]) -> [Sent; 2] {
    let mut sides = known.into_iter().zip(claims).zip(0..);
    std::array::from_fn(|_| {
        let ((known, version_vector), side) = sides.next().expect("there are two");
        let mut session = new_session(false, 4).knowing(known);
        let Some(StoreRequest::ReadHello { offer, .. }) = session.poll_store() else {
            panic!("no hello is read")
        };
        let nonce = version_vector.len() as u64 + 100 * side;
        let said = Hello { nonce, codecs: offer.codecs, version_vector, ..hello(false, 4) };
        session.handle_store(StoreReply::Hello {
            hello: Box::new(said),
            commit_no: 0,
            alterations: 0,
            held: vec![],
        });
        (session, Vec::new())
    })
}

/// Two sessions up to the end of their handshake.
fn handshake(known: [Option<KnownHellos>; 2], claims: [ShardVersion; 2]) -> (Sent, Sent) {
    let [mut a, mut b] = begin(known, claims);
    for _ in 0..3 {
        pass(&mut a, &mut b);
        pass(&mut b, &mut a);
    }
    for (session, _) in [&mut a, &mut b] {
        session.handle_store(StoreReply::HelloAccepted);
        while session.poll_store().is_some() {}
    }
    (a, b)
}

/// Passes on all that one has to say.
fn pass(from: &mut Sent, to: &mut Sent) {
    while let Some(message) = from.0.poll_transmit() {
        let [received] =
            <[Message; 1]>::try_from(decode(&message.encode(&Uncompressed).unwrap().concat()).unwrap())
                .unwrap();
        from.1.push(message);
        to.0.receive(received);
    }
}

fn kinds(sent: &Sent) -> Vec<&'static str> {
    sent.1.iter().map(Message::name).collect()
}

fn bytes(sent: &Sent) -> usize {
    sent.1.iter().flat_map(|message| message.encode(&Uncompressed).unwrap()).map(|frame| frame.len()).sum()
}

fn assert_refused(session: &mut Session) {
    let Some(Message::Reject(reject)) = std::iter::from_fn(|| session.poll_transmit()).last() else {
        panic!("the peer is not told")
    };
    assert!(reject.code == "ERR_LIMIT" && !reject.retry && reject.reason.contains("update it"), "{reject:?}");
    assert!(matches!(session.ending(), Some(Ending::Failed { code, .. }) if code == "ERR_LIMIT"));
}

/// A session that has read nothing yet, with a peer that assembles messages or does not.
fn begun_with(reads_spans: bool) -> Session {
    session::begun_with(false, 4, of_peer(reads_spans))
}

fn of_peer(reads_spans: bool) -> Hello {
    let mut of_peer = hello(false, 4);
    if reads_spans {
        of_peer.codecs.push(192);
    }
    of_peer
}

/// A version vector of this many sites, with numbers as long as numbers get.
fn many(sites: u64) -> ShardVersion {
    (0..sites).map(|site| (SiteId::new(u64::MAX - 3 * site), (1 << 53) - 1 - site)).collect()
}

/// A frame that says that its message goes on.
fn continued(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = seal(kind, body);
    frame.truncate(frame.len() - 8);
    frame[5] = 1;
    let checksum = xxhash_rust::xxh3::xxh3_64(&frame);
    frame.extend_from_slice(&checksum.to_le_bytes());
    frame
}

fn name(letters: usize) -> NodeName {
    NodeName::new(&"n".repeat(letters)).unwrap()
}
