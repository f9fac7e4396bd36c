//! Questions about rows that are held back, between a session and a peer that keeps the rules or breaks them.

use vectr_delta::{
    Batch, ChangelogId, Cursor, End, Ended, Ending, FoundRows, HeldAnswer, HeldMessage, HeldRow, Hello,
    Message, NodeName, Session, ShardVersion, SiteId, StoreReply, StoreRequest, UnsentRow, VectorId,
    VersionVector,
};

use crate::session::{end, hello, new_session};

fn able(holds: bool) -> Hello {
    let cursor = Some(Cursor { changelog: ChangelogId::new(1), position: 2 });
    let codecs = if holds { vec![0, Hello::LISTS, Hello::HOLDS] } else { vec![0, Hello::LISTS] };
    Hello { codecs, cursor, ..hello(false, 4) }
}

/// An established session of a node whose Hello is `local`, with a peer whose Hello is `peer`, of which these are on the
/// list.
fn begun(local: Hello, peer: Hello, held: Vec<HeldRow>) -> Session {
    let mut session = new_session(false, 4);
    session.poll_store();
    session.handle_store(StoreReply::Hello { hello: Box::new(local), held, commit_no: 0, alterations: 0 });
    session.receive(Message::Hello(Box::new(peer)));
    session.handle_store(StoreReply::HelloAccepted);
    session
}

fn listed(names: &[&str]) -> Vec<HeldRow> {
    let row = |name: &&str| HeldRow { id: id(name), context: VersionVector::new(), revision: 5 };
    names.iter().map(row).collect()
}

/// A session that has asked for `names`.
fn asking(names: &[&str]) -> Session {
    begun(able(true), able(false), listed(names))
}

fn answer(answered: u64, absent: &[&str]) -> Message {
    let rows = Batch { nonce: 7, ..Batch::default() };
    let absent = absent.iter().map(|name| id(name)).collect();
    Message::HeldRows(Box::new(HeldMessage::Answer(HeldAnswer { answered, absent, rows })))
}

fn ask(names: &[&str]) -> Message {
    Message::HeldRows(Box::new(HeldMessage::Ask(names.iter().map(|name| id(name)).collect())))
}

fn requests(session: &mut Session) -> Vec<StoreRequest> {
    std::iter::from_fn(|| session.poll_store()).collect()
}

fn asked(session: &mut Session) -> Vec<Vec<VectorId>> {
    let messages = std::iter::from_fn(|| session.poll_transmit());
    let ids = messages.filter_map(|message| match message {
        Message::HeldRows(held) => match *held {
            HeldMessage::Ask(ids) => Some(ids),
            _ => None,
        },
        _ => None,
    });
    ids.collect()
}

fn has_end(requests: &[StoreRequest]) -> bool {
    requests.iter().any(|request| matches!(request, StoreRequest::End { .. }))
}

fn code(session: &Session) -> Option<&str> {
    match session.ending() {
        Some(Ending::Failed { code, .. }) => Some(code),
        _ => None,
    }
}

fn id(name: &str) -> VectorId {
    VectorId::new(name).unwrap()
}

#[test]
fn an_end_waits_until_all_listed_rows_are_answered_for() {
    let mut session = asking(&["a", "b"]);
    assert_eq!(asked(&mut session), [[id("a"), id("b")]]);
    session.receive(Message::End(Box::new(End { position: 3, ..end(7, 0) })));
    assert!(!has_end(&requests(&mut session)));
    session.receive(answer(1, &["a"]));
    let mut write = requests(&mut session);
    assert!(!has_end(&write));
    let Some(StoreRequest::JoinAnswer { remote, asked: answered, .. }) = write.pop() else {
        panic!("{write:?}")
    };
    assert_eq!(answered, listed(&["a"]));
    session.handle_store(StoreReply::AnswerJoined { remote, applied: Default::default(), changes: None });
    assert_eq!(asked(&mut session), [[id("b")]]);
    session.receive(answer(1, &[]));
    let mut write = requests(&mut session);
    let Some(StoreRequest::JoinAnswer { remote, .. }) = write.pop() else { panic!("{write:?}") };
    session.handle_store(StoreReply::AnswerJoined { remote, applied: Default::default(), changes: None });
    assert!(has_end(&requests(&mut session)));
}

#[test]
fn a_session_without_a_list_asks_nothing() {
    let former = hello(false, 4);
    for (local, peer, held) in [(able(false), able(true), vec![]), (able(true), former, listed(&["a"]))] {
        let mut session = begun(local, peer, held);
        session.receive(Message::End(Box::new(end(7, 0))));
        assert!(asked(&mut session).is_empty());
        assert!(has_end(&requests(&mut session)));
    }
}

#[test]
fn a_list_of_another_changelog_is_not_asked_for() {
    let peer = Hello { changelog: ChangelogId::new(9), ..able(false) };
    let mut session = begun(able(true), peer, listed(&["a"]));
    assert!(asked(&mut session).is_empty());
}

// After 8 MiB had piled up behind an End, a live session asked for no row on the list any more.
#[test]
fn rows_are_asked_for_even_where_an_end_no_longer_waits_for_them() {
    let mut session = asking(&["a", "b"]);
    assert_eq!(asked(&mut session), [[id("a"), id("b")]]);
    let name = |number: u64| (SiteId::new(number), NodeName::new("far").unwrap());
    let names = (0..90_000).map(name).collect();
    session.receive(Message::End(Box::new(End { names, position: 3, ..end(7, 0) })));
    assert!(session.is_saturated());
    let mut write = requests(&mut session);
    let Some(StoreRequest::End { remote, .. }) = write.pop() else { panic!("{write:?}") };
    session.receive(answer(1, &["a"]));
    let ended = Ended {
        further_sites: 0,
        version_vector: ShardVersion::new(),
        digests_differ: false,
        deferred: false,
    };
    session.handle_store(StoreReply::Ended {
        remote,
        applied: Default::default(),
        changes: None,
        ended,
        commit_no: 0,
    });
    let write = requests(&mut session);
    let joins = |request: &StoreRequest| matches!(request, StoreRequest::JoinAnswer { asked, .. } if *asked == listed(&["a"]));
    assert!(write.iter().any(joins), "{write:?}");
}

// A peer that never answered kept what it had sent behind an End in the memory of a node that had room for nobody else.
#[test]
fn where_there_is_no_room_nothing_waits_for_a_word_of_the_peer() {
    let mut session = asking(&["a"]);
    session.receive(Message::End(Box::new(End { position: 3, ..end(7, 0) })));
    session.receive(Message::Batch(Batch { nonce: 7, index: 1, position: 4, ..Batch::default() }));
    assert!(session.unapplied_bytes() == 0 && !session.is_applying(), "both have no bytes, and wait");
    assert!(!has_end(&requests(&mut session)));
    session.let_ends_pass();
    assert!(session.is_applying());
    assert!(has_end(&requests(&mut session)));
    // The rows of an answer are applied without another word, too.
    session.receive(answer(1, &["a"]));
    assert!(session.is_applying());
}

// Empty lists weighed nothing, and a session held any number of them.
#[test]
fn a_list_without_rows_is_refused() {
    let mut session = begun(able(false), able(false), vec![]);
    session.receive(Message::HeldRows(Box::new(HeldMessage::Unsent(vec![]))));
    assert_eq!(code(&session), Some("ERR_PROTOCOL"));
}

#[test]
fn a_peer_whose_message_waits_hears_how_far_this_node_is() {
    let mut session = begun(able(false), able(false), vec![]);
    std::iter::from_fn(|| session.poll_transmit()).for_each(drop);
    session.repeat_ack();
    assert_eq!(session.poll_transmit(), Some(Message::Ack(0)));
}

#[test]
fn what_has_arrived_counts_until_the_storage_has_applied_it() {
    let mut session = begun(able(false), able(false), vec![]);
    let names = (0..100).map(|number| (SiteId::new(number), NodeName::new("far").unwrap())).collect();
    let batch = Batch { nonce: 7, position: 3, names, ..Batch::default() };
    let weight = batch.weight();
    session.receive(Message::Batch(batch.clone()));
    session.receive(Message::Batch(Batch { index: 1, ..batch }));
    assert_eq!((session.unapplied_bytes(), session.is_applying()), (2 * weight, true));
    let mut write = requests(&mut session);
    let Some(StoreRequest::Apply { remote, batches }) = write.pop() else { panic!("{write:?}") };
    assert_eq!((batches.len(), session.unapplied_bytes()), (2, 2 * weight));
    session.handle_store(StoreReply::Applied { remote, applied: Default::default(), changes: None });
    assert_eq!((session.unapplied_bytes(), session.is_applying()), (0, false));
    // A session that is over applies nothing more of it.
    session.receive(Message::Batch(Batch { nonce: 7, index: 2, position: 4, ..Batch::default() }));
    session.handle_disconnect("gone");
    assert!(requests(&mut session).iter().all(|request| !matches!(request, StoreRequest::Apply { .. })));
    assert_eq!(session.unapplied_bytes(), 0);
}

// 1,024 such rows before each batch of a window took hundreds of megabytes.
#[test]
fn rows_that_a_peer_cannot_send_count_towards_what_waits_for_the_storage() {
    let sites: Vec<SiteId> = (0..UnsentRow::MAX_SITES as u64).map(SiteId::new).collect();
    let row = |number: usize| UnsentRow { id: id(&format!("v{number}")), sites: sites.clone() };
    let rows: Vec<UnsentRow> = (0..HeldRow::MAX_ROWS).map(row).collect();
    let mut session = begun(able(false), able(false), vec![]);
    for index in 0..4 {
        assert!(!session.is_saturated(), "{index}");
        session.receive(Message::HeldRows(Box::new(HeldMessage::Unsent(rows.clone()))));
        session.receive(Message::Batch(Batch { nonce: 7, index, position: 3, ..Batch::default() }));
    }
    assert_eq!(code(&session), None);
    assert!(session.is_saturated());
    // One transaction takes no more of them than of rows.
    let Some(StoreRequest::Apply { batches, .. }) = requests(&mut session).pop() else { panic!() };
    assert_eq!(batches.len(), 0);
}

#[test]
fn answers_that_nobody_asked_for_are_refused() {
    for message in
        [answer(0, &[]), answer(3, &[]), answer(1, &["c"]), answer(1, &["b"]), answer(2, &["a", "a"])]
    {
        let mut session = asking(&["a", "b"]);
        session.receive(message);
        assert_eq!(code(&session), Some("ERR_PROTOCOL"));
    }
    let mut session = begun(able(false), able(false), vec![]);
    session.receive(answer(1, &[]));
    assert_eq!(code(&session), Some("ERR_PROTOCOL"));
}

#[test]
fn questions_are_answered_one_at_a_time_and_only_where_that_was_agreed_upon() {
    let mut session = begun(able(false), able(true), vec![]);
    session.receive(ask(&["a"]));
    let read = requests(&mut session);
    assert!(
        read.iter().any(|request| matches!(request, StoreRequest::FindRows { ids, .. } if *ids == [id("a")]))
    );
    session.receive(ask(&["b"]));
    assert_eq!(code(&session), Some("ERR_PROTOCOL"));
    for (local, question) in [(hello(false, 4), ask(&["a"])), (able(false), ask(&[]))] {
        let mut session = begun(local, able(true), vec![]);
        session.receive(question);
        assert_eq!(code(&session), Some("ERR_PROTOCOL"));
    }
}

#[test]
fn questions_about_more_rows_than_a_list_has_are_refused() {
    let mut session = begun(able(false), able(true), vec![]);
    for number in 0..=HeldRow::MAX_ROWS {
        assert_eq!(code(&session), None, "{number}");
        session.receive(ask(&["a"]));
        session.handle_store(StoreReply::Found(Box::new(FoundRows {
            site: SiteId::new(1),
            answered: 1,
            rows: vec![],
            absent: vec![id("a")],
            withheld: vec![],
            names: Default::default(),
            frontier: VersionVector::new(),
            commit_no: 0,
        })));
    }
    assert_eq!(code(&session), Some("ERR_PROTOCOL"));
}
