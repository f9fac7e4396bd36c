use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use vectr_tests::{NodeProcess, Random, Report, Write};

use super::fleet::{Tally, shard_names};
use super::history::{History, now};

/// One node, through all its processes.
pub(super) struct Member {
    name: String,
    folder: PathBuf,
    process: Option<NodeProcess>,
    random: Random,
    /// What each shard held when a sync or a write was acknowledged: site to its newest change.
    held: BTreeMap<String, Held>,
}

/// Where each node answers. A node comes back at its old address, unless someone has taken it meanwhile.
pub(super) type Addresses = Mutex<Vec<String>>;

type Held = BTreeMap<String, u64>;

impl Member {
    pub(super) fn start(number: usize, folder: &Path, seed: u64) -> (Self, String) {
        let mut member = Self {
            name: format!("node-{number}"),
            folder: folder.to_owned(),
            process: None,
            random: Random::new(seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            held: BTreeMap::new(),
        };
        member.start_process();
        let address = member.ask("listen");
        (member, address)
    }

    /// Writes, syncs and dies at random; always comes back.
    pub(super) fn live_dangerously(
        &mut self,
        number: usize,
        neighbours: &[usize],
        addresses: &Addresses,
        history: &Mutex<History>,
    ) -> Tally {
        let mut tally = Tally::default();
        self.start_auto_syncs(neighbours, addresses);
        for _ in 0..ACTIONS {
            let shard = self.any_shard();
            let neighbour = self.any(neighbours);
            let target = format!("{shard} {}", addresses.lock().unwrap()[neighbour]);
            match self.random.below(20) {
                0..9 => tally.writes += self.write(&shard, history),
                9..17 => self.sync(&shard, &target, &mut tally),
                death => {
                    match death {
                        17 => self.kill(),
                        18 => self.kill_amid_write(&shard, history),
                        _ => self.kill_amid_sync(&target),
                    }
                    tally.kills += 1;
                    self.come_back(number, addresses);
                    self.start_auto_syncs(neighbours, addresses);
                }
            }
        }
        tally
    }

    /// Some writes to a shard; how many.
    pub(super) fn write(&mut self, shard: &str, history: &Mutex<History>) -> u64 {
        let (count, seed, begun) = (1 + self.random.below(MOST_WRITES), self.random.next(), now());
        let answer = self.ask(&format!("write {shard} {count} {seed}"));
        let writes = Write::all(&self.name, seed, count);
        history.lock().unwrap().note(shard, writes, begun, Some(&answer));
        self.remember(shard);
        count
    }

    /// Must succeed.
    pub(super) fn sync_in_peace(&mut self, shard: &str, address: &str) {
        let mut report = Report::default();
        let process = self.process();
        process.begin_sync(&format!("{shard} {address}"));
        process.finish_sync(&mut report);
        assert!(matches!(report.outcome, Some(Ok(_))), "{}, {shard} with {address}: {report:?}", self.name);
        self.remember(shard);
    }

    pub(super) fn ask(&mut self, command: &str) -> String {
        self.process().ask(command)
    }

    /// What a shard shows: the mark of each vector by its id.
    pub(super) fn list(&mut self, shard: &str) -> BTreeMap<String, String> {
        let listed = self.ask(&format!("list {shard}"));
        let pair = |pair: &str| {
            let (id, mark) = pair.split_once('=').expect("id=mark");
            (id.to_owned(), mark.to_owned())
        };
        listed.split_ascii_whitespace().map(pair).collect()
    }

    pub(super) fn close(mut self) {
        self.process.take().expect("it was started").close();
    }

    fn sync(&mut self, shard: &str, target: &str, tally: &mut Tally) {
        let mut report = Report::default();
        let process = self.process();
        process.begin_sync(target);
        process.finish_sync(&mut report);
        match report.outcome {
            Some(Ok(_)) => {
                tally.syncs += 1;
                self.remember(shard);
            }
            // The other one was killed.
            Some(Err(code)) => {
                assert_ne!(code, "ERR_BUSY", "{}", self.name);
                tally.failed += 1;
            }
            None => panic!("{} ended by itself", self.name),
        }
    }

    fn kill(&mut self) {
        self.process.take().expect("it was started").kill();
    }

    fn kill_amid_write(&mut self, shard: &str, history: &Mutex<History>) {
        let (count, seed, begun) = (MOST_WRITES, self.random.next(), now());
        self.process().tell(&format!("write {shard} {count} {seed}"));
        self.kill();
        history.lock().unwrap().note(shard, Write::all(&self.name, seed, count), begun, None);
    }

    fn kill_amid_sync(&mut self, target: &str) {
        let rows = self.random.below(3);
        let process = self.process();
        process.begin_sync(target);
        process.wait_for(rows, &mut Report::default());
        self.kill();
    }

    fn come_back(&mut self, number: usize, addresses: &Addresses) {
        self.start_process();
        for (shard, before) in self.held.clone() {
            let held = self.held_now(&shard);
            let is_held = |(site, seq): (&String, &u64)| held.get(site).is_some_and(|now| now >= seq);
            assert!(
                before.iter().all(is_held),
                "{}, {shard}: {before:?} was acknowledged, {held:?} is left",
                self.name
            );
        }
        let address = addresses.lock().unwrap()[number].clone();
        let bound = self.ask(&format!("listen {address}"));
        if bound != address {
            addresses.lock().unwrap()[number] = self.ask("listen");
        }
    }

    fn start_auto_syncs(&mut self, neighbours: &[usize], addresses: &Addresses) {
        for shard in shard_names() {
            if self.random.below(2) == 0 {
                let neighbour = self.any(neighbours);
                let address = addresses.lock().unwrap()[neighbour].clone();
                self.ask(&format!("auto {shard} {address}"));
            }
        }
    }

    fn remember(&mut self, shard: &str) {
        let held = self.held_now(shard);
        self.held.insert(shard.to_owned(), held);
    }

    fn held_now(&mut self, shard: &str) -> Held {
        let site = |pair: &str| {
            let (site, seq) = pair.split_once('=').expect("site=seq");
            // A site's name may become known later than the site.
            (site[site.len() - SITE_DIGITS..].to_owned(), seq.parse().expect("a number"))
        };
        self.ask(&format!("held {shard}")).split_ascii_whitespace().map(site).collect()
    }

    fn start_process(&mut self) {
        let database = self.folder.join(format!("{}.db", self.name));
        self.process = Some(NodeProcess::start_named(PROGRAM, &database, &self.name, RETRIES));
    }

    fn process(&mut self) -> &mut NodeProcess {
        self.process.as_mut().expect("it was started")
    }

    fn any_shard(&mut self) -> String {
        let shards: Vec<String> = shard_names().collect();
        shards[self.random.below(shards.len() as u64) as usize].clone()
    }

    fn any(&mut self, of: &[usize]) -> usize {
        of[self.random.below(of.len() as u64) as usize]
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_vectr-test-node");
const ACTIONS: u64 = 30;
const MOST_WRITES: u64 = 20;
/// Of a sync: after a kill the first ones still meet a connection to the process that is gone.
const RETRIES: u32 = 3;
const SITE_DIGITS: usize = 16;
