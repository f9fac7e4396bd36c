//! Sessions driven by hand, for what a driver cannot observe.

use std::collections::BTreeMap;

use vectr_delta::{
    Applied, Batch, ChangelogId, Cursor, Descriptor, Digest, Dot, End, Ending, Fingerprint, Hello,
    HelloOffer, Message, NodeName, Open, Page, PageEnd, PageSize, Row, Session, SessionConfig, ShardId,
    ShardVersion, Sibling, SiteId, StoreReply, StoreRequest, Strategy, Timestamp, VectorId, VectorRow,
    VersionVector,
};

#[test]
fn a_live_session_keeps_its_ends_within_the_window() {
    // The peer ended a busy live sync, because it got an end for each commit, faster than its disk could confirm them.
    let mut session = begun(true, 2);
    let mut ends = 0;
    for commit_no in 1..20 {
        while let Some(request) = session.poll_store() {
            match request {
                StoreRequest::ReadPage { .. } => session.handle_store(page(commit_no)),
                StoreRequest::AwaitDurable(_) => session.handle_store(StoreReply::Durable(commit_no)),
                StoreRequest::AwaitCommit(_) => session.handle_store(StoreReply::Committed),
                other => panic!("unexpected {other:?}"),
            }
            if ends == 2 {
                break;
            }
            ends += count_ends(&mut session);
        }
    }
    assert_eq!(ends, 2);
    session.receive(Message::Durable(ShardVersion::new()));
    let mut more = count_ends(&mut session);
    for _ in 0..8 {
        while let Some(request) = session.poll_store() {
            match request {
                StoreRequest::ReadPage { .. } => session.handle_store(page(30)),
                StoreRequest::AwaitDurable(_) => session.handle_store(StoreReply::Durable(30)),
                StoreRequest::AwaitCommit(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        more += count_ends(&mut session);
    }
    assert_eq!(more, 1);
}

#[test]
fn a_live_session_does_not_echo_an_end() {
    // Two live nodes answered each other's ends forever.
    let mut session = begun(true, 4);
    let serve = |session: &mut Session, commit_no: u64| {
        while let Some(request) = session.poll_store() {
            match request {
                StoreRequest::ReadPage { .. } => session.handle_store(page(commit_no)),
                StoreRequest::AwaitDurable(_) => session.handle_store(StoreReply::Durable(commit_no)),
                _ => {}
            }
        }
        count_ends(session)
    };
    assert_eq!(serve(&mut session, 1), 1);
    assert!(!session.is_settled());
    session.receive(Message::Durable(ShardVersion::new()));
    let known = ShardVersion::from_iter([(SiteId::new(1), 2)]);
    session.receive(Message::End(Box::new(End { version_vector: known, ..end(7, 0) })));
    session.handle_store(StoreReply::Committed);
    assert_eq!(serve(&mut session, 2), 0, "the peer has said that it holds this");
    session.handle_store(StoreReply::Committed);
    assert_eq!(serve(&mut session, 3), 1, "a change of this node");
}

#[test]
fn a_fork_resets_the_site_even_if_the_peer_has_left_first() {
    // Only one of two copies with the same identity took a new site, and the other's changes stayed hidden from it.
    let mut session = said_hello(false, 4);
    session.receive(Message::Hello(Box::new(hello(false, 4))));
    assert!(matches!(session.poll_store(), Some(StoreRequest::AcceptHello(_))));
    session.handle_disconnect("gone");
    session.handle_store(StoreReply::Forked);
    assert!(matches!(session.poll_store(), Some(StoreRequest::ResetSite(_))));
}

#[test]
fn the_peers_hello_is_accepted_once_our_own_was_sent() {
    let mut session = new_session(false, 4);
    session.receive(Message::Hello(Box::new(hello(false, 4))));
    assert!(matches!(session.poll_store(), Some(StoreRequest::ReadHello { .. })));
    assert!(session.poll_store().is_none());
    session.handle_store(StoreReply::Hello {
        hello: Box::new(hello(false, 4)),
        commit_no: 0,
        alterations: 0,
        held: vec![],
    });
    assert!(matches!(session.poll_transmit(), Some(Message::Hello(_))));
    assert!(matches!(session.poll_store(), Some(StoreRequest::AcceptHello(_))));
    assert!(matches!(session.poll_store(), Some(StoreRequest::ReadPage { .. })));
    assert!(session.poll_store().is_none());
}

#[test]
fn a_page_is_read_while_our_hello_waits_and_sent_once_the_handshake_is_complete() {
    let mut session = new_session(false, 4);
    session.receive(Message::Hello(Box::new(hello(false, 4))));
    assert!(matches!(session.poll_store(), Some(StoreRequest::ReadHello { .. })));
    session.handle_store(StoreReply::Hello {
        hello: Box::new(hello(false, 4)),
        commit_no: 5,
        alterations: 0,
        held: vec![],
    });
    assert!(matches!(session.poll_store(), Some(StoreRequest::ReadPage { .. })));
    assert!(matches!(session.poll_store(), Some(StoreRequest::AwaitDurable(5))));
    session.handle_store(page(5));
    assert!(session.poll_transmit().is_none());
    session.handle_store(StoreReply::Durable(5));
    assert!(matches!(session.poll_transmit(), Some(Message::Hello(_))));
    assert!(session.poll_transmit().is_none());
    assert!(matches!(session.poll_store(), Some(StoreRequest::AcceptHello(_))));
    session.handle_store(StoreReply::HelloAccepted);
    assert!(matches!(session.poll_transmit(), Some(Message::End(_))));
}

#[test]
fn an_end_shares_the_transaction_of_the_batch_before_it() {
    let mut session = begun(false, 4);
    session.receive(Message::Batch(Batch { nonce: 7, position: 3, ..Batch::default() }));
    session.receive(Message::End(Box::new(end(7, 1))));
    let requests: Vec<StoreRequest> = std::iter::from_fn(|| session.poll_store()).collect();
    let together =
        |request: &StoreRequest| matches!(request, StoreRequest::End { batches, .. } if batches.len() == 1);
    assert_eq!(requests.iter().filter(|request| together(request)).count(), 1, "{requests:?}");
    assert!(!requests.iter().any(|request| matches!(request, StoreRequest::Apply { .. })));
}

#[test]
fn an_open_message_within_a_session_is_refused() {
    let mut session = begun(false, 4);
    session.receive(Message::Open(Open::of_this_build(ShardId::new("s").unwrap())));
    assert_eq!(rejection(&mut session).as_deref(), Some("ERR_PROTOCOL"));
}

#[test]
fn an_end_of_another_session_is_refused() {
    let mut session = begun(false, 4);
    session.receive(Message::End(Box::new(end(8, 0))));
    assert_eq!(rejection(&mut session).as_deref(), Some("ERR_PROTOCOL"));
}

// Acknowledgements that a peer did not read piled up as fast as it sent batches.
#[test]
fn a_peer_sends_no_more_than_its_window_of_what_it_has_no_answer_to() {
    for reads in [true, false] {
        let mut session = begun(true, 4);
        let mut acknowledged = Vec::new();
        for index in 0..20 {
            session.receive(Message::Batch(Batch { nonce: 7, index, position: 3, ..Batch::default() }));
            let apply = std::iter::from_fn(|| session.poll_store()).find_map(|request| match request {
                StoreRequest::Apply { remote, .. } => Some(remote),
                _ => None,
            });
            let Some(remote) = apply else { break };
            session.handle_store(StoreReply::Applied { remote, applied: Applied::default(), changes: None });
            if reads {
                acknowledged.extend(acks(&mut session));
            }
        }
        match reads {
            true => assert_eq!((acknowledged.len(), session.ending()), (20, None)),
            false => assert_eq!(rejection(&mut session).as_deref(), Some("ERR_PROTOCOL")),
        }
    }
}

#[test]
fn one_acknowledgement_waits_for_a_slow_peer() {
    let mut session = begun(true, 4);
    for index in 0..3 {
        session.receive(Message::Batch(Batch { nonce: 7, index, position: 3, ..Batch::default() }));
        let requests = std::iter::from_fn(|| session.poll_store());
        let remote = requests.into_iter().find_map(|request| match request {
            StoreRequest::Apply { remote, .. } => Some(remote),
            _ => None,
        });
        let (remote, applied) = (remote.unwrap(), Applied::default());
        session.handle_store(StoreReply::Applied { remote, applied, changes: None });
    }
    assert_eq!(acks(&mut session), [3]);
}

// 16 batches of tombstones or contexts of 64 MiB each could wait in a session, because they counted for nothing.
#[test]
fn rows_without_vectors_fill_a_session_as_well() {
    let mut session = begun(true, 16);
    let context: VersionVector = (1..30_000).map(|site| (SiteId::new(site), 1)).collect();
    let version = Sibling::tombstone(Dot { site: SiteId::new(5), seq: 1 }, Timestamp::default());
    let row = Row::new(vec![version], context).unwrap();
    let rows = (0..4).map(|n| VectorRow { id: VectorId::new(&n.to_string()).unwrap(), row: row.clone() });
    let rows: Vec<VectorRow> = rows.collect();
    let taken = (0..16).take_while(|index| {
        let batch = Batch { nonce: 7, index: *index, position: 3, rows: rows.clone(), ..Batch::default() };
        session.receive(Message::Batch(batch));
        !session.is_saturated()
    });
    assert_eq!(taken.count(), 2, "8 MiB");
    assert_eq!(session.ending(), None);
}

fn acks(session: &mut Session) -> Vec<u64> {
    let sent = std::iter::from_fn(|| session.poll_transmit());
    sent.filter_map(|message| match message {
        Message::Ack(batches) => Some(batches),
        _ => None,
    })
    .collect()
}

fn rejection(session: &mut Session) -> Option<String> {
    std::iter::from_fn(|| session.poll_transmit()).find_map(|message| match message {
        Message::Reject(reject) => Some(reject.code),
        _ => None,
    })
}

pub(crate) fn end(nonce: u64, index: u64) -> End {
    End {
        nonce,
        index,
        position: 3,
        version_vector: ShardVersion::new(),
        frontier: VersionVector::new(),
        digest: Digest::default(),
        tight: true,
        names: Default::default(),
    }
}

#[test]
fn a_page_of_another_life_ends_the_session() {
    let mut session = begun(false, 4);
    assert!(matches!(session.poll_store(), Some(StoreRequest::ReadPage { .. })));
    let StoreReply::Page(page) = page(0) else { unreachable!("it makes a page") };
    session.handle_store(StoreReply::Page(Box::new(Page { site: SiteId::new(9), ..*page })));
    let ending = session.ending();
    assert!(
        matches!(ending, Some(Ending::Failed { code, retry: true, .. }) if code == "ERR_RESTART"),
        "{ending:?}"
    );
}

fn begun(live: bool, window: u16) -> Session {
    begun_with(live, window, hello(live, window))
}

/// A session whose peer has sent this Hello.
pub(crate) fn begun_with(live: bool, window: u16, peer: Hello) -> Session {
    let mut session = said_hello(live, window);
    session.receive(Message::Hello(Box::new(peer)));
    assert!(matches!(session.poll_store(), Some(StoreRequest::AcceptHello(_))));
    session.handle_store(StoreReply::HelloAccepted);
    session
}

fn said_hello(live: bool, window: u16) -> Session {
    let mut session = new_session(live, window);
    assert!(matches!(session.poll_store(), Some(StoreRequest::ReadHello { .. })));
    session.handle_store(StoreReply::Hello {
        hello: Box::new(hello(live, window)),
        commit_no: 0,
        alterations: 0,
        held: vec![],
    });
    assert!(matches!(session.poll_transmit(), Some(Message::Hello(_))));
    session
}

pub(crate) fn new_session(live: bool, window: u16) -> Session {
    let offer =
        HelloOffer { nonce: 7, codecs: vec![0], live, node: name(), clock: Timestamp::default(), window };
    let shard = ShardId::new("s").unwrap();
    let (peer, page) = (Fingerprint::new([1; 32]), PageSize::default());
    Session::new(SessionConfig { peer, shard, offer, page, keeps_cursor: true })
}

pub(crate) fn hello(live: bool, window: u16) -> Hello {
    Hello {
        nonce: 7,
        protocol: (Hello::PROTOCOL, Hello::PROTOCOL),
        codecs: vec![0],
        shard: ShardId::new("s").unwrap(),
        live,
        node: name(),
        site: SiteId::new(1),
        changelog: ChangelogId::new(1),
        descriptor: Descriptor::default(),
        strategy: Strategy::default(),
        version_vector: ShardVersion::new(),
        frontier: VersionVector::new(),
        cursor: None::<Cursor>,
        digest: Digest::default(),
        tight: true,
        clock: Timestamp::default(),
        window,
    }
}

/// An empty page at the end of the changelog.
fn page(commit_no: u64) -> StoreReply {
    let StoreReply::Page(page) =
        page_with([(SiteId::new(1), commit_no)].into_iter().collect(), BTreeMap::new())
    else {
        unreachable!("it makes a page")
    };
    StoreReply::Page(Box::new(Page { commit_no, ..*page }))
}

/// An empty page at the end of the changelog of a node that claims this.
pub(crate) fn page_with(version_vector: ShardVersion, names: BTreeMap<SiteId, NodeName>) -> StoreReply {
    let end = PageEnd { version_vector, digest: Digest::default(), tight: true, names };
    StoreReply::Page(Box::new(Page { site: SiteId::new(1), end: Some(end), ..Page::default() }))
}

fn count_ends(session: &mut Session) -> usize {
    std::iter::from_fn(|| session.poll_transmit())
        .filter(|message| matches!(message, Message::End(_)))
        .count()
}

fn name() -> NodeName {
    NodeName::new("n").unwrap()
}
