//! The repair of a session, driven by hand: what begins it, and what a peer may not ask of it.

use vectr_delta::{
    Applied, Batch, ChangelogId, CommitNo, DamagedRows, Descriptor, Digest, Dot, End, Ended, Fingerprint,
    Hello, HelloOffer, IdRange, Message, NodeName, Page, PageEnd, PageSize, Payload, RangeCounts,
    RangeDigest, RangeDigests, RangePage, RangeRows, RepairMessage, RepairRest, Repaired, Row, Session,
    SessionConfig, ShardId, ShardSummary, ShardVersion, Sibling, SiteId, StoreReply, StoreRequest, Strategy,
    Timestamp, VectorId, VectorRow, VersionVector, Warning,
};

/// A session whose peer has the site 5, after the peer's end. The smaller site leads.
struct Driven {
    session: Session,
    /// What the storage says of ends.
    deferred: bool,
    sent: Vec<Message>,
}

impl Driven {
    fn new(site: u64, deferred: bool, peer_codecs: Vec<u8>) -> Self {
        Self::meeting(site, deferred, hello(5, peer_codecs))
    }

    fn meeting(site: u64, deferred: bool, peer_hello: Hello) -> Self {
        let mut driven = Self { session: session(), deferred, sent: Vec::new() };
        driven.run(site);
        driven.receive(Message::Hello(Box::new(peer_hello)), site);
        driven.receive(Message::End(Box::new(end())), site);
        driven
    }
    fn receive(&mut self, message: Message, site: u64) {
        self.session.receive(message);
        self.run(site);
    }

    fn repair(&mut self, message: RepairMessage) {
        self.receive(Message::Repair(Box::new(message)), 1);
    }

    fn run(&mut self, site: u64) {
        loop {
            let request = self.session.poll_store();
            self.sent.extend(std::iter::from_fn(|| self.session.poll_transmit()));
            let Some(request) = request else { return };
            if let Some(reply) = self.serve(request, site) {
                self.session.handle_store(reply);
            }
        }
    }

    fn serve(&self, request: StoreRequest, site: u64) -> Option<StoreReply> {
        let commit_no: CommitNo = 0;
        Some(match request {
            StoreRequest::ReadHello { .. } => StoreReply::Hello {
                hello: Box::new(hello(site, vec![0, Hello::REPAIRS])),
                commit_no,
                alterations: 0,
                held: vec![],
            },
            StoreRequest::AcceptHello(_) => StoreReply::HelloAccepted,
            StoreRequest::ReadPage { .. } => {
                let end = PageEnd {
                    version_vector: ShardVersion::new(),
                    digest: Digest::default(),
                    tight: true,
                    names: Default::default(),
                };
                let site = SiteId::new(site);
                StoreReply::Page(Box::new(Page { site, end: Some(end), ..Page::default() }))
            }
            StoreRequest::End { remote, .. } => StoreReply::Ended {
                remote,
                applied: Applied::default(),
                changes: None,
                ended: Ended {
                    version_vector: ShardVersion::new(),
                    digests_differ: false,
                    deferred: self.deferred,
                    further_sites: 0,
                },
                commit_no,
            },
            StoreRequest::SplitRanges(ranges) => {
                let digests =
                    ranges.into_iter().map(|range| RangeDigest { range, digest: Digest::default() });
                let digests = digests.collect();
                StoreReply::RangeDigests(Box::new(RangeDigests { digests, matches: true, commit_no }))
            }
            StoreRequest::CompareRanges(theirs) => {
                let counts = theirs.iter().map(|_| Some(0)).collect();
                let read = RangeCounts { counts, matches: true, scanned: 10_000, commit_no };
                StoreReply::RangeCounts(Box::new(read))
            }
            StoreRequest::ReadRange { range, .. } => StoreReply::RangePage(Box::new(RangePage {
                rows: Vec::new(),
                range,
                names: Default::default(),
                frontier: VersionVector::new(),
                scanned: 0,
                commit_no,
            })),
            StoreRequest::JoinRange { remote, .. } => {
                StoreReply::RangeJoined { remote, applied: Applied::default(), changes: None }
            }
            StoreRequest::FinishRepair { remote, .. } => {
                let repaired = Repaired { summary: summary(1), damaged: DamagedRows::default() };
                StoreReply::RepairFinished { remote, repaired, commit_no }
            }
            _ => return None,
        })
    }

    /// The last step of the repair that was sent.
    fn said(&self) -> Option<&RepairMessage> {
        self.sent.iter().rev().find_map(|message| match message {
            Message::Repair(repair) => Some(&**repair),
            _ => None,
        })
    }

    fn count(&self, of: impl Fn(&Message) -> bool) -> usize {
        self.sent.iter().filter(|message| of(message)).count()
    }

    fn rejection(&self) -> Option<&str> {
        self.sent.iter().find_map(|message| match message {
            Message::Reject(reject) => Some(reject.code.as_str()),
            _ => None,
        })
    }
}

fn session() -> Session {
    let offer = HelloOffer {
        nonce: 7,
        codecs: vec![0],
        live: false,
        node: name(),
        clock: Timestamp::default(),
        window: 4,
    };
    let shard = ShardId::new("s").unwrap();
    let (peer, page) = (Fingerprint::new([1; 32]), PageSize::default());
    Session::new(SessionConfig { peer, shard, offer, page, keeps_cursor: true })
}

const ABLE: [u8; 2] = [0, Hello::REPAIRS];
const LEADER: u64 = 1;
const OTHER: u64 = 9;

#[test]
fn the_smaller_site_asks_and_the_other_one_asks_it_to() {
    let leader = Driven::new(LEADER, true, ABLE.to_vec());
    let whole = RangeDigest { range: IdRange::default(), digest: Digest::default() };
    assert_eq!(leader.said(), Some(&RepairMessage::Digests(vec![whole])));
    let other = Driven::new(OTHER, true, ABLE.to_vec());
    assert_eq!(other.said(), Some(&RepairMessage::Wanted));
    for driven in [leader, other] {
        assert_eq!(driven.count(|message| matches!(message, Message::Durable(_))), 0, "the end waits");
        assert_eq!(driven.session.report().repairs, 1);
    }
}

#[test]
fn a_peer_of_a_former_build_is_sent_nothing_of_a_repair() {
    for site in [LEADER, OTHER] {
        let mut driven = Driven::new(site, false, vec![0]);
        assert_eq!((driven.said(), driven.session.report().repairs), (None, 0));
        assert_eq!(driven.count(|message| matches!(message, Message::Durable(_))), 1);
        driven.repair(RepairMessage::Wanted);
        assert_eq!(driven.rejection(), Some("ERR_PROTOCOL"));
    }
}

#[test]
fn a_leader_ends_the_repair_when_all_ranges_agree_and_then_confirms_the_end() {
    let mut driven = Driven::new(LEADER, true, ABLE.to_vec());
    driven.repair(RepairMessage::Counts(vec![None]));
    assert_eq!(driven.said(), Some(&RepairMessage::State(summary(1))));
    assert_eq!(driven.count(|message| matches!(message, Message::Durable(_))), 1);
    driven.receive(Message::Durable(ShardVersion::new()), LEADER);
    driven.receive(Message::Done, LEADER);
    assert!(driven.session.ending().is_none(), "the peer has yet to say what it holds");
    driven.repair(RepairMessage::State(summary(2)));
    assert!(driven.session.ending().is_some() && driven.session.report().digests_differ);
}

#[test]
fn rows_of_a_range_are_asked_for_until_it_is_exhausted() {
    let mut driven = Driven::new(LEADER, true, ABLE.to_vec());
    driven.repair(RepairMessage::Counts(vec![Some(3)]));
    let all = IdRange::default();
    assert!(matches!(driven.said(), Some(RepairMessage::Rows(rows)) if rows.range == all));
    let page = IdRange { after: None, to: Some(id("b")) };
    driven.repair(answer(page, &["a", "b"]));
    let rest = IdRange { after: Some(id("b")), to: None };
    assert!(matches!(driven.said(), Some(RepairMessage::Rows(rows)) if rows.range == rest));
    driven.repair(answer(rest, &["c"]));
    assert_eq!(driven.said(), Some(&RepairMessage::State(summary(1))));
}

#[test]
fn a_leader_refuses_answers_to_what_it_did_not_ask() {
    let to = |to: &str| IdRange { after: None, to: Some(id(to)) };
    let many: Vec<String> = (0..65).map(|number| format!("v{number:02}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answers = [
        RepairMessage::Counts(vec![None]),
        answer(to("b"), &["a"]),
        answer(to("b"), &[]),
        answer(to("b"), &["a", "c"]),
        answer(IdRange { after: Some(id("a")), to: None }, &["b"]),
        answer(IdRange { after: Some(id("b")), to: Some(id("a")) }, &[]),
        answer(IdRange::default(), &many),
        RepairMessage::State(summary(1)),
        RepairMessage::Digests(Vec::new()),
    ];
    for answer in answers {
        let mut driven = Driven::new(LEADER, true, ABLE.to_vec());
        driven.repair(RepairMessage::Counts(vec![Some(3)]));
        driven.repair(answer.clone());
        assert_eq!(driven.rejection(), Some("ERR_PROTOCOL"), "{answer:?}");
    }
    let mut driven = Driven::new(LEADER, true, ABLE.to_vec());
    driven.repair(RepairMessage::Counts(vec![None, None]));
    assert_eq!(driven.rejection(), Some("ERR_PROTOCOL"));
}

#[test]
fn the_other_node_refuses_ranges_that_do_not_follow_each_other() {
    let part = |after: Option<&str>, to: Option<&str>| RangeDigest {
        range: IdRange { after: after.map(id), to: to.map(id) },
        digest: Digest::default(),
    };
    let asked = [
        vec![],
        vec![part(None, Some("b"))],
        vec![part(Some("b"), None)],
        vec![part(None, None), part(None, None)],
        vec![part(None, Some("b")), part(Some("a"), None)],
        vec![part(None, Some("b")), part(Some("c"), None)],
        vec![part(None, Some("b")), part(Some("b"), Some("b")), part(Some("b"), None)],
    ];
    for ranges in asked {
        let mut driven = Driven::new(OTHER, true, ABLE.to_vec());
        driven.repair(RepairMessage::Digests(ranges.clone()));
        assert_eq!(driven.rejection(), Some("ERR_PROTOCOL"), "{ranges:?}");
    }
    // Before it has compared all of its rows it neither joins nor ends anything.
    for early in [answer(IdRange::default(), &["a"]), RepairMessage::State(summary(1))] {
        let mut driven = Driven::new(OTHER, true, ABLE.to_vec());
        driven.repair(early);
        assert_eq!(driven.rejection(), Some("ERR_PROTOCOL"));
    }
}

#[test]
fn a_peer_that_has_the_same_rows_compared_again_and_again_is_stopped() {
    let mut driven = Driven::new(OTHER, true, ABLE.to_vec());
    let whole = RangeDigest { range: IdRange::default(), digest: Digest::default() };
    let mut asked = 0;
    while driven.rejection().is_none() {
        driven.repair(RepairMessage::Digests(vec![whole.clone()]));
        asked += 1;
        assert!(asked < 100, "it goes on for ever");
    }
    assert_eq!(driven.rejection(), Some("ERR_LIMIT"));
    assert!(asked > 16, "an honest repair needs some passes");
}

// A peer had all rows of a shard read whenever it said so.
#[test]
fn a_peer_needs_a_reason_to_have_all_rows_compared() {
    let whole = RangeDigest { range: IdRange::default(), digest: Digest::default() };
    let asked = [(LEADER, RepairMessage::Wanted), (OTHER, RepairMessage::Digests(vec![whole]))];
    let claiming = |version_vector: ShardVersion| Hello { version_vector, ..hello(5, ABLE.to_vec()) };
    let more: ShardVersion = [(SiteId::new(5), 1)].into_iter().collect();
    let digest = summary(3).digest;
    for (site, message) in asked {
        let begins = |hello: Hello| {
            let mut driven = Driven::meeting(site, false, hello);
            driven.repair(message.clone());
            match driven.rejection() {
                None => assert!(matches!(
                    driven.said(),
                    Some(RepairMessage::Digests(_) | RepairMessage::Counts(_))
                )),
                Some(code) => assert_eq!((code, driven.said()), ("ERR_PROTOCOL", None)),
            }
            driven.rejection().is_none()
        };
        assert!(begins(hello(5, ABLE.to_vec())), "what the peer holds may have changed since its Hello");
        assert!(!begins(Hello { digest, ..claiming(more.clone()) }), "the peer claims more");
        assert!(begins(Hello { digest, ..hello(5, ABLE.to_vec()) }), "the digests differ");
        assert!(begins(hello(5, [&ABLE[..], &[Hello::ALTERED]].concat())), "rows of the peer were altered");
    }
}

#[test]
fn a_session_that_rests_says_nothing_of_known_damage() {
    let said = |rest: RepairRest| {
        let mut session = session().resting(rest);
        let altered = hello(LEADER, [&ABLE[..], &[Hello::ALTERED]].concat());
        session.handle_store(StoreReply::Hello {
            hello: Box::new(altered),
            commit_no: 0,
            alterations: 7,
            held: vec![],
        });
        while session.poll_store().is_some() {}
        let Some(Message::Hello(hello)) = session.poll_transmit() else { panic!("no hello") };
        let warns = session.report().warnings == [Warning::Repaired { rows: 0, damaged: 2 }];
        (hello.can_repair(), hello.is_altered(), warns)
    };
    let damage = |alterations: u64| RepairRest::Damage { alterations, damaged: 2 };
    assert_eq!(said(RepairRest::Nothing), (true, true, false));
    assert_eq!(said(damage(7)), (true, false, true), "it is told to the user alone");
    assert_eq!(said(damage(6)), (true, true, false), "rows were altered since");
    assert_eq!(said(RepairRest::Repairs), (false, false, false));
}

#[test]
fn more_ranges_than_a_message_may_have_are_refused_before_they_are_read() {
    let part = RangeDigest { range: IdRange::default(), digest: Digest::default() };
    let message =
        Message::Repair(Box::new(RepairMessage::Digests(vec![part; RepairMessage::MAX_RANGES + 1])));
    let frame = message.encode(&vectr_delta::Uncompressed).unwrap().concat();
    let mut frames = vectr_delta::FrameDecoder::default();
    frames.receive(&frame);
    let frame = frames.poll_frame().unwrap().unwrap();
    let error =
        vectr_delta::MessageDecoder::default().receive(frame, &[&vectr_delta::Uncompressed]).unwrap_err();
    assert_eq!(error.code(), "ERR_PROTOCOL");
}

fn answer(range: IdRange, ids: &[&str]) -> RepairMessage {
    let rows = ids.iter().map(|name| {
        let dot = Dot { site: SiteId::new(5), seq: 1 };
        let payload = Payload::from_components(&[1.0], None).unwrap();
        let version = Sibling::put(dot, Timestamp::default(), false, payload);
        VectorRow { id: id(name), row: Row::of_write(version, VersionVector::new()) }
    });
    let rows = Batch { nonce: 7, rows: rows.collect(), ..Batch::default() };
    RepairMessage::Rows(RangeRows { range, rows })
}

/// Equal version vectors, and a digest of this many rows.
fn summary(rows: u64) -> ShardSummary {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(&rows.to_le_bytes());
    let digest = Digest::from_bytes(&bytes).unwrap();
    ShardSummary { version_vector: ShardVersion::new(), digest, tight: true }
}

fn id(name: &str) -> VectorId {
    VectorId::new(name).unwrap()
}

fn name() -> NodeName {
    NodeName::new("n").unwrap()
}

fn hello(site: u64, codecs: Vec<u8>) -> Hello {
    Hello {
        nonce: 7,
        protocol: (Hello::PROTOCOL, Hello::PROTOCOL),
        codecs,
        shard: ShardId::new("s").unwrap(),
        live: false,
        node: name(),
        site: SiteId::new(site),
        changelog: ChangelogId::new(1),
        descriptor: Descriptor::default(),
        strategy: Strategy::default(),
        version_vector: ShardVersion::new(),
        frontier: VersionVector::new(),
        cursor: None,
        digest: Digest::default(),
        tight: true,
        clock: Timestamp::default(),
        window: 4,
    }
}

fn end() -> End {
    End {
        nonce: 7,
        index: 0,
        position: 0,
        version_vector: ShardVersion::new(),
        frontier: VersionVector::new(),
        digest: Digest::default(),
        tight: true,
        names: Default::default(),
    }
}
