use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use super::history::History;
use super::member::{Addresses, Member};
use super::shape::Shape;

pub(super) const NODES: usize = 8;
const SHARDS: usize = 8;

/// All nodes, each driven by a thread of its own.
pub(super) struct Fleet {
    shape: Shape,
    members: Vec<Member>,
    addresses: Addresses,
    history: Mutex<History>,
}

/// What happened before the rounds.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) writes: u64,
    pub(super) syncs: u64,
    pub(super) failed: u64,
    pub(super) kills: u64,
}

impl Fleet {
    pub(super) fn start(shape: Shape, folder: &Path, seed: u64) -> Self {
        let (members, addresses) = (0..NODES).map(|number| Member::start(number, folder, seed)).unzip();
        Self { shape, members, addresses: Mutex::new(addresses), history: Mutex::default() }
    }

    /// All write, sync, die and come back, at the same time.
    pub(super) fn live_dangerously(&mut self) -> Tally {
        let (shape, addresses, history) = (self.shape, &self.addresses, &self.history);
        let tallies = each(&mut self.members, |number, member| {
            member.live_dangerously(number, &shape.neighbours(number, NODES), addresses, history)
        });
        tallies.into_iter().fold(Tally::default(), |all, one| all.and(&one))
    }

    pub(super) fn stop_auto_syncs(&mut self) {
        each(&mut self.members, |_, member| member.ask("stop"));
    }

    /// So that each shard of each node has something that no other has.
    pub(super) fn write_once_more(&mut self) {
        let history = &self.history;
        each(&mut self.members, |_, member| {
            for shard in shard_names() {
                member.write(&shard, history);
            }
        });
    }

    /// Every node syncs every shard with each of its neighbours, all nodes at the same time.
    pub(super) fn sync_round(&mut self) {
        let (shape, addresses) = (self.shape, self.addresses.lock().unwrap().clone());
        each(&mut self.members, |number, member| {
            for neighbour in shape.neighbours(number, NODES) {
                for shard in shard_names() {
                    member.sync_in_peace(&shard, &addresses[neighbour]);
                }
            }
        });
    }

    /// Whether each shard has one digest everywhere.
    pub(super) fn is_equal(&mut self) -> bool {
        let digests = each(&mut self.members, |_, member| {
            shard_names().map(|shard| member.ask(&format!("digest {shard}"))).collect::<Vec<_>>()
        });
        digests.into_iter().collect::<BTreeSet<_>>().len() == 1
    }

    /// How many vectors were compared with what was acknowledged.
    pub(super) fn check_files_and_history(&mut self) -> usize {
        let history = &self.history;
        let checked = each(&mut self.members, |_, member| {
            assert_eq!(member.ask("check"), r#"[[Text("ok")]]"#);
            let history = history.lock().unwrap();
            shard_names().map(|shard| history.check(&shard, &member.list(&shard))).sum::<usize>()
        });
        checked.into_iter().sum()
    }

    pub(super) fn close(self) {
        for member in self.members {
            member.close();
        }
    }
}

impl Tally {
    fn and(self, other: &Self) -> Self {
        Self {
            writes: self.writes + other.writes,
            syncs: self.syncs + other.syncs,
            failed: self.failed + other.failed,
            kills: self.kills + other.kills,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writes, syncs, failed, kills } = self;
        write!(f, "{writes} writes, {syncs} syncs and {failed} that failed, {kills} kills")
    }
}

pub(super) fn shard_names() -> impl Iterator<Item = String> {
    (0..SHARDS).map(|number| format!("shard-{number}"))
}

/// Drives all members at the same time.
fn each<T: Send>(members: &mut [Member], work: impl Fn(usize, &mut Member) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let work = &work;
        let threads = members.iter_mut().enumerate();
        let threads: Vec<_> =
            threads.map(|(number, member)| scope.spawn(move || work(number, member))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no node fails")).collect()
    })
}
