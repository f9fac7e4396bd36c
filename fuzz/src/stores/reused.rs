use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs};

use vectr_core::replication::serve_blocking;
use vectr_core::{Clock, Config, Inspection, VectrDB};
use vectr_delta::{
    Digest, MAX_CLOCK_SKEW, Metadata, NodeName, PageSize, Payload, Row, ShardId, Sibling, StoreReply,
    StoreRequest, Timestamp, VectorRow,
};

use crate::bounds::apart;

/// Databases in memory that serve one input after the other: each input has a shard of its own, and after some hundred
/// of them the databases are verified as a whole, and new ones take their place. Opening one takes as long as twenty
/// inputs.
pub(crate) struct Reused {
    pub(crate) nodes: Vec<VectrDB>,
    pub(crate) wall: Wall,
    /// The inputs that have left something in these databases.
    served: Vec<Vec<u8>>,
}

impl Reused {
    pub(crate) fn open(count: usize) -> Self {
        let wall = Wall(Arc::new(AtomicU64::new(START)));
        let open = |number: usize| {
            let node = NodeName::new(&format!("node-{number}")).expect("a short name");
            let mut config = Config::default();
            VectrDB::new(config.node(node).clock(wall.clock())).expect("memory is there")
        };
        Self { nodes: (0..count).map(open).collect(), wall: wall.clone(), served: Vec::new() }
    }

    /// The shard of the next input.
    pub(crate) fn serve(&mut self, input: &[u8]) -> ShardId {
        self.wall.0.store(START, Ordering::Relaxed);
        self.served.push(input.to_vec());
        ShardId::new(&format!("shard-{:03}", self.served.len())).expect("a short name")
    }

    /// Whether new databases are due: also after an input that changed more than its shard.
    pub(crate) fn is_worn(&self, changed: bool) -> bool {
        changed || self.served.len() >= INPUTS || env::var_os("VECTR_FUZZ_VERIFY").is_some()
    }

    /// Verifies the databases as `vectr verify` does. The inputs behind a fault are written to files.
    pub(crate) fn verify(&self) {
        apart(|| self.verify_each());
    }

    fn verify_each(&self) {
        for db in &self.nodes {
            let folder = tempfile::tempdir().expect("a folder for a copy");
            let path = folder.path().join("copy.db");
            db.backup(&path).expect("a copy of a database in memory");
            let found = Inspection::open(&path).and_then(|copy| copy.verify()).expect("the copy can be read");
            if !found.is_sound() {
                let kept = self.keep();
                panic!("{:?}: the inputs since the databases were opened are in {kept}", found.faults);
            }
            db.close().expect("it was open");
        }
    }

    fn keep(&self) -> String {
        let folder = env::var_os("VECTR_FUZZ_CRASHES").map_or_else(env::temp_dir, PathBuf::from);
        let folder = folder.join(format!("inputs-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for inputs");
        for (number, input) in self.served.iter().enumerate() {
            fs::write(folder.join(format!("{number:04}")), input).expect("room for an input");
        }
        folder.display().to_string()
    }
}

/// The clock of all nodes, which stands still until an input moves it.
#[derive(Clone)]
pub(crate) struct Wall(Arc<AtomicU64>);

impl Wall {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn advance(&self, micros: u64) {
        self.0.fetch_add(micros, Ordering::Relaxed);
    }

    fn clock(&self) -> Clock {
        let wall = self.clone();
        Clock::new(move || wall.now())
    }
}

/// All rows of a shard, also those with nothing but tombstones, by id.
pub(crate) fn rows(db: &VectrDB, shard: &ShardId) -> Vec<VectorRow> {
    let (mut rows, mut after) = (Vec::new(), 0);
    loop {
        let size = PageSize { bytes: 1 << 20, rows: 4_096 };
        let request = StoreRequest::ReadPage { after, filter: None, size, counts: false };
        let StoreReply::Page(page) = serve_blocking(db, shard, request) else {
            panic!("a page cannot be read");
        };
        assert!(page.withheld.is_empty(), "a row was stored that cannot be sent: {:?}", page.withheld);
        after = page.position;
        rows.extend(page.rows);
        if page.end.is_some() {
            rows.sort_by(|one, other| one.id.cmp(&other.id));
            return rows;
        }
    }
}

/// Every row keeps the rules of all nodes, and the shard's digest is the sum over its rows.
pub(crate) fn assert_sound(db: &VectrDB, shard: &ShardId) {
    let mut digest = Digest::default();
    let rows = rows(db, shard);
    for VectorRow { id, row } in &rows {
        digest.add(shard, id, row);
        assert!(row.is_intact() && row.siblings().len() <= Row::MAX_SIBLINGS, "{id}: {row:?}");
        for sibling in row.siblings() {
            assert!(row.context().covers(sibling.dot()), "{id}: {row:?}");
            let ahead = sibling.timestamp().since(db.now());
            assert!(ahead <= MAX_CLOCK_SKEW, "{id} is {ahead:?} ahead of the clock");
        }
        for payload in row.siblings().iter().filter_map(Sibling::payload) {
            Payload::new(payload.vector().clone(), None).expect("a stored vector is one");
            let text = payload.metadata().map(Metadata::as_str);
            assert!(text.is_none_or(|text| Metadata::new(text).is_ok()), "{id}: {text:?}");
        }
    }
    let dimensions = rows.iter().flat_map(|entry| entry.row.siblings()).filter_map(Sibling::payload);
    let mut dimensions = dimensions.map(Payload::dimensions);
    let first = dimensions.next();
    assert!(dimensions.all(|next| Some(next) == first), "vectors of several dimensions in one shard");
    let stored = db.digest(shard).expect("the digest can be read");
    assert_eq!(stored, digest, "the stored digest is not that of the rows");
}

const START: u64 = 1_700_000_000_000_000;
/// How many inputs a database serves.
const INPUTS: usize = 200;
