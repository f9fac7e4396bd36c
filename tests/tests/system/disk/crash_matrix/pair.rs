//! Sessions of two databases in one process, message by message.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use vectr_core::VectrDB;
use vectr_core::replication::serve_blocking;
use vectr_delta::{
    Ending, Fingerprint, HelloOffer, NodeName, PageSize, Session, SessionConfig, ShardId, Timestamp,
};

/// Syncs until both sides have finished. Returns how many rows came back to the two databases then; `None` if they have
/// not finished.
pub(super) fn sync(shard: &ShardId, a: &VectrDB, b: &VectrDB) -> Option<u64> {
    (0..6).find_map(|_| {
        let mut sides = [Side::new(a, shard, 2), Side::new(b, shard, 1)];
        let [one, other] = &mut sides;
        while one.step(other) | other.step(one) {}
        let has_finished = sides.iter().all(|side| side.session.ending() == Some(&Ending::Finished));
        has_finished.then(|| sides.iter().map(|side| side.session.report().rows_repaired).sum())
    })
}

struct Side<'d> {
    db: &'d VectrDB,
    shard: &'d ShardId,
    session: Session,
}

impl<'d> Side<'d> {
    fn new(db: &'d VectrDB, shard: &'d ShardId, peer: u8) -> Self {
        static NONCE: AtomicU64 = AtomicU64::new(1);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let offer = HelloOffer {
            nonce: NONCE.fetch_add(1, Ordering::Relaxed),
            codecs: vec![0],
            live: false,
            node: NodeName::new("unnamed").unwrap(),
            clock: Timestamp::from_micros(since.as_micros() as u64),
            window: 16,
        };
        // A few rows a page, so that a sync is several transactions.
        let page = PageSize { bytes: 64 * 1024, rows: 5 };
        let peer = Fingerprint::new([peer; 32]);
        let config = SessionConfig { peer, shard: shard.clone(), offer, page, keeps_cursor: true };
        Self { db, shard, session: Session::new(config) }
    }

    /// Carries out what the session asks for. Whether there was anything.
    fn step(&mut self, other: &mut Self) -> bool {
        let mut moved = false;
        while let Some(request) = self.session.poll_store() {
            moved = true;
            self.session.handle_store(serve_blocking(self.db, self.shard, request));
        }
        while let Some(message) = self.session.poll_transmit() {
            moved = true;
            other.session.receive(message);
        }
        moved
    }
}
