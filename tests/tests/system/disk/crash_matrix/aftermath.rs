//! What is left when the story has ended, and what the nodes make of it.

use std::path::PathBuf;

use vectr_core::{Config, CoreError, Inspection, VectrDB};

use super::diary::Account;
use super::pair::sync;
use super::story::{NODES, name, open, shard};

pub(super) struct Aftermath<'p> {
    pub(super) plan: &'p str,
    /// What has left these files.
    pub(super) of: &'static str,
    pub(super) files: PathBuf,
    pub(super) runtime: PathBuf,
}

impl Aftermath<'_> {
    pub(super) fn judge(&self, account: &Account) {
        let dbs = NODES.map(|node| {
            self.check_file(node, account.is_altered(node));
            let db = open(&self.files, &self.runtime, node);
            let db = db.unwrap_or_else(|error| panic!("{}: {node} does not open: {error}", self.after()));
            let altered = |id: &str| account.altered.contains(&(node.to_owned(), id.to_owned()));
            self.check_promises(account, node, &db, altered);
            db
        });
        let [a, b] = &dbs;
        assert!(sync(&shard(), a, b).is_some(), "{}: no sync", self.after());
        let late = VectrDB::new(Config::default().shard(shard())).unwrap();
        assert!(sync(&shard(), b, &late).is_some(), "{}: no sync with a third node", self.after());
        let digests = [a, b, &late].map(|db| db.digest(&shard()).unwrap());
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{}: {digests:?}", self.after());
        // What another program took from one of them has come back.
        for db in [a, b, &late] {
            NODES.iter().for_each(|node| self.check_promises(account, node, db, |_| false));
        }
        for db in [a, b] {
            db.close().unwrap();
        }
        for node in NODES {
            self.check_file(node, false);
        }
    }

    /// A file is sound, unless another program has altered it. One whose first opening did not come to its end holds
    /// nothing.
    fn check_file(&self, node: &str, is_altered: bool) {
        let inspection = match Inspection::open(&self.files.join(format!("{node}.db"))) {
            Err(CoreError::NoFile { .. }) => return,
            opened => opened.unwrap_or_else(|error| panic!("{}: {node}: {error}", self.after())),
        };
        let verified = inspection.verify();
        let found = verified.unwrap_or_else(|error| panic!("{}: {node}: {error}", self.after()));
        assert!(is_altered || found.is_sound(), "{}: {node} has {:?}", self.after(), found.faults);
    }

    /// A node shows of each vector what it has called durable, or something newer.
    fn check_promises(&self, account: &Account, node: &str, db: &VectrDB, altered: impl Fn(&str) -> bool) {
        let shard = db.shard(shard()).unwrap();
        for id in (0..30).map(name).filter(|id| !altered(id)) {
            let shown = shard.get(id.as_str()).unwrap().map(|entry| {
                let first = entry.vector.first_chunk().unwrap();
                f32::from_le_bytes(*first) as u64
            });
            let least = account.durable.get(&(node.to_owned(), id.clone())).copied().unwrap_or_default();
            assert!(
                account.allows(&id, least, shown),
                "{}: {node} called attempt {least} at '{id}' durable, and shows {shown:?}",
                self.after()
            );
        }
    }

    fn after(&self) -> String {
        format!("'{}', after {}", self.plan, self.of)
    }
}
