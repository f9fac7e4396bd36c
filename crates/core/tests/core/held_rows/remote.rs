//! What a peer sends, transaction by transaction.

use crate::support::{Scratch, Wall, id, payload, peer, shard, store};
use vectr_core::VectrDB;
use vectr_delta::{
    Batch, ChangeId, ChangelogId, Digest, Dot, End, HeldAnswer, HeldRow, Hello, HelloOffer, NodeName,
    RemoteApply, Row, ShardVersion, Sibling, SiteId, StoreReply, StoreRequest, Timestamp, VectorRow,
    VersionVector,
};

use super::HOUR;

/// The site of the peer's rows.
pub(super) const FAR: SiteId = SiteId::new(0xfa);

/// A node that a peer sends rows to.
pub(super) struct Receiver {
    pub(super) scratch: Scratch,
    pub(super) wall: Wall,
    pub(super) db: VectrDB,
}

/// The receiving half of a session.
pub(super) struct Half(Option<Box<RemoteApply>>);

impl Receiver {
    pub(super) fn new() -> Self {
        let (scratch, wall) = (Scratch::new(), Wall::new());
        let db = scratch.open_at("a.db", &wall);
        Self { scratch, wall, db }
    }

    /// Both what the Hello says to the peer, and what is on the list.
    pub(super) fn hello(&self) -> (Hello, Vec<HeldRow>) {
        let offer = HelloOffer {
            nonce: 1,
            codecs: vec![0],
            live: true,
            node: NodeName::new("n").unwrap(),
            clock: Timestamp::from_micros(Wall::START),
            window: 16,
        };
        match store::ask(&self.db, StoreRequest::ReadHello { peer: peer(7), offer }) {
            StoreReply::Hello { hello, held, .. } => (*hello, held),
            other => panic!("{other:?}"),
        }
    }

    /// Begins a session in which a peer of this changelog says that it holds nothing.
    pub(super) fn begin(&self, changelog: u64) -> Half {
        let (hello, held) = self.hello();
        let changelog = ChangelogId::new(changelog);
        let cursor = hello.cursor.filter(|cursor| cursor.changelog == changelog);
        let peer_hello = Hello {
            site: SiteId::new(2),
            changelog,
            version_vector: ShardVersion::new(),
            cursor: None,
            tight: false,
            ..hello
        };
        let start = cursor.map_or(0, |cursor| cursor.position);
        let held = if cursor.is_some() { held } else { vec![] };
        let remote = RemoteApply::new(peer(7), &peer_hello, start).listing(true, held);
        Half(Some(Box::new(remote)))
    }

    pub(super) fn listed(&self) -> Vec<HeldRow> {
        self.hello().1
    }

    /// The cursor's changelog and position.
    pub(super) fn cursor(&self) -> Option<(ChangelogId, ChangeId)> {
        self.hello().0.cursor.map(|cursor| (cursor.changelog, cursor.position))
    }

    /// What is claimed of this site.
    pub(super) fn claimed(&self, site: SiteId) -> u64 {
        let claimed = self.db.shard_statistics(&shard()).unwrap().version_vector;
        let of = |(label, _): &&(String, u64)| label.ends_with(&site.to_string());
        claimed.iter().find(of).map_or(0, |(_, seq)| *seq)
    }
}

impl Half {
    pub(super) fn pass_over(&mut self, rows: Vec<vectr_delta::UnsentRow>) {
        self.0.as_mut().unwrap().pass_over(rows);
    }

    pub(super) fn apply(&mut self, to: &Receiver, position: ChangeId, rows: Vec<VectorRow>) {
        let batch = Batch { nonce: 1, position, rows, ..Batch::default() };
        self.apply_batch(to, batch);
    }

    pub(super) fn apply_batch(&mut self, to: &Receiver, batch: Batch) {
        let joined = store::apply(&to.db, self.0.take().unwrap(), vec![batch]);
        self.0 = Some(joined.remote);
    }

    pub(super) fn end(&mut self, to: &Receiver, position: ChangeId, claimed: &[(SiteId, u64)]) -> bool {
        let end = End {
            nonce: 1,
            index: 0,
            position,
            version_vector: claimed.iter().copied().collect(),
            frontier: VersionVector::new(),
            digest: Digest::default(),
            tight: false,
            names: [].into(),
        };
        let request =
            StoreRequest::End { remote: self.0.take().unwrap(), batches: vec![], end: Box::new(end) };
        match store::ask(&to.db, request) {
            StoreReply::Ended { remote, ended, .. } => {
                self.0 = Some(remote);
                ended.digests_differ
            }
            other => panic!("{other:?}"),
        }
    }

    /// The peer answers with these rows, and has none of the others that were asked for.
    pub(super) fn answer(&mut self, to: &Receiver, asked: Vec<HeldRow>, rows: Vec<VectorRow>) {
        let has = |row: &&HeldRow| rows.iter().any(|entry| entry.id == row.id);
        let absent = asked.iter().filter(|row| !has(row)).map(|row| row.id.clone()).collect();
        let rows = Batch { nonce: 1, rows, ..Batch::default() };
        let answer = Box::new(HeldAnswer { answered: asked.len() as u64, absent, rows });
        let request = StoreRequest::JoinAnswer { remote: self.0.take().unwrap(), asked, answer };
        match store::ask(&to.db, request) {
            StoreReply::AnswerJoined { remote, .. } => self.0 = Some(remote),
            other => panic!("{other:?}"),
        }
    }
}

/// A row that a node with a sound clock takes in.
pub(super) fn sound(name: &str, seq: u64) -> VectorRow {
    row(name, Dot { site: FAR, seq }, Wall::START, VersionVector::new())
}

/// A row that is refused until the clock is an hour further.
pub(super) fn early(name: &str, seq: u64) -> VectorRow {
    row(name, Dot { site: FAR, seq }, Wall::START + HOUR, VersionVector::new())
}

/// The same, with these sites in its context.
pub(super) fn early_of(name: &str, sites: std::ops::Range<u64>) -> VectorRow {
    let mut context = VersionVector::new();
    let dot = |number| Dot { site: SiteId::new(number), seq: 1 };
    sites.clone().map(dot).for_each(|dot| context.add(dot));
    row(name, dot(sites.start), Wall::START + HOUR, context)
}

fn row(name: &str, dot: Dot, stamp: u64, context: VersionVector) -> VectorRow {
    let version = Sibling::put(dot, Timestamp::from_micros(stamp), false, payload(&[1.0]));
    VectorRow { id: id(name), row: Row::of_write(version, context) }
}
