//! Requests to the storage port, with replies of the kind that the caller expects.

use vectr_core::VectrDB;
use vectr_core::replication::serve_blocking;
use vectr_delta::{
    Applied, Batch, ChangeSpan, CommitNo, End, Fingerprint, Hello, HelloOffer, Page, PageSize, RemoteApply,
    StoreReply, StoreRequest,
};

use super::shard;

/// What joining rows did, and the remote for what comes next.
pub struct Joined {
    pub remote: Box<RemoteApply>,
    pub applied: Applied,
    pub changes: Option<ChangeSpan>,
}

pub fn read_hello(db: &VectrDB, peer: Fingerprint, offer: HelloOffer) -> (Hello, CommitNo) {
    match ask(db, StoreRequest::ReadHello { peer, offer }) {
        StoreReply::Hello { hello, commit_no, .. } => (*hello, commit_no),
        other => panic!("{other:?}"),
    }
}

pub fn read_page(db: &VectrDB, size: PageSize) -> Page {
    match ask(db, StoreRequest::ReadPage { after: 0, filter: None, size, counts: false }) {
        StoreReply::Page(page) => *page,
        other => panic!("{other:?}"),
    }
}

pub fn meet(db: &VectrDB, hello: Hello) {
    let reply = ask(db, StoreRequest::AcceptHello(Box::new(hello)));
    assert!(matches!(reply, StoreReply::HelloAccepted), "{reply:?}");
}

pub fn apply(db: &VectrDB, remote: Box<RemoteApply>, batches: Vec<Batch>) -> Joined {
    match ask(db, StoreRequest::Apply { remote, batches }) {
        StoreReply::Applied { remote, applied, changes } => Joined { remote, applied, changes },
        other => panic!("{other:?}"),
    }
}

pub fn end(db: &VectrDB, remote: Box<RemoteApply>, batches: Vec<Batch>, end: End) -> Joined {
    match ask(db, StoreRequest::End { remote, batches, end: Box::new(end) }) {
        StoreReply::Ended { remote, applied, changes, .. } => Joined { remote, applied, changes },
        other => panic!("{other:?}"),
    }
}

/// Takes a new site, as after a fork.
pub fn renew(db: &VectrDB) {
    let reply = ask(db, StoreRequest::ResetSite(db.site()));
    assert!(matches!(reply, StoreReply::SiteReset), "{reply:?}");
}

pub fn ask(db: &VectrDB, request: StoreRequest) -> StoreReply {
    serve_blocking(db, &shard(), request)
}
