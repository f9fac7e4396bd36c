//! How the requests of a session are answered.

use std::sync::mpsc::{Receiver, channel};

use crate::support::{Scratch, put, shard};
use vectr_core::VectrDB;
use vectr_core::replication::{Serving, serve, serve_blocking};
use vectr_delta::{PageSize, StoreReply, StoreRequest};

fn ask(db: &VectrDB, request: StoreRequest) -> (Serving, Receiver<StoreReply>) {
    let (sender, replies) = channel();
    let serving = serve(db, &shard(), request, move |reply| sender.send(reply).unwrap());
    (serving, replies)
}

fn read_page() -> StoreRequest {
    StoreRequest::ReadPage { after: 0, filter: None, size: PageSize::default(), counts: false }
}

#[test]
fn a_read_is_left_to_the_caller_to_run() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    let (serving, replies) = ask(&db, read_page());
    assert!(replies.try_recv().is_err());
    put(&db, "a", &[1.0]);
    let Serving::Blocking(read) = serving else { panic!("{serving:?}") };
    read.run();
    let StoreReply::Page(page) = replies.recv().unwrap() else { panic!("no page") };
    assert_eq!(page.rows.len(), 1);
}

#[test]
fn a_write_is_answered_by_the_writer() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    let (site, (serving, replies)) = (db.site(), ask(&db, StoreRequest::ResetSite(db.site())));
    assert!(matches!(serving, Serving::Submitted));
    assert!(matches!(replies.recv().unwrap(), StoreReply::SiteReset));
    assert_ne!(db.site(), site);
}

#[test]
fn a_commit_is_told_once_and_only_while_somebody_listens() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    let (kept, replies) = ask(&db, StoreRequest::AwaitCommit(db.commit_no()));
    let (dropped, unheard) = ask(&db, StoreRequest::AwaitCommit(db.commit_no()));
    drop(dropped);
    assert!(replies.try_recv().is_err());
    put(&db, "a", &[1.0]);
    put(&db, "b", &[1.0]);
    assert!(matches!(replies.recv().unwrap(), StoreReply::Committed));
    assert!(replies.recv().is_err(), "told twice");
    assert!(unheard.recv().is_err());
    drop(kept);
}

#[test]
fn a_commit_that_came_before_the_question_is_told_at_once() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    let before = db.commit_no();
    put(&db, "a", &[1.0]);
    assert!(matches!(
        serve_blocking(&db, &shard(), StoreRequest::AwaitCommit(before)),
        StoreReply::Committed
    ));
}

#[test]
fn a_closed_database_answers_that_it_is_closed() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    db.close().unwrap();
    for request in [read_page(), StoreRequest::ResetSite(db.site()), StoreRequest::AwaitDurable(1)] {
        match serve_blocking(&db, &shard(), request) {
            StoreReply::Failed { code, retry, .. } => assert_eq!((&code[..], retry), ("ERR_CLOSED", false)),
            other => panic!("{other:?}"),
        }
    }
}
