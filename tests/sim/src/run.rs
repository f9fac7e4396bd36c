use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::Fault;
use crate::climate::Climate;
use crate::node::{Moment, SECOND};
use crate::random::Random;
use crate::strike::{Strike, Struck};
use crate::world::World;

/// The outcome of one or more seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How often each fault occurred.
    pub struck: Struck,
    /// How many seeds were run.
    pub seeds: u64,
    /// The most rounds of sync that a seed needed to converge once the faults had stopped.
    pub rounds: u64,
    /// How many sessions were opened.
    pub sessions: u64,
    /// How many versions were written.
    pub writes: u64,
    /// How many of them were acknowledged and must not be lost.
    pub acknowledged: u64,
    /// How many shards ended with versions of a replaced disk that no version vector covers.
    pub loose_shards: u64,
    /// How often a session noticed a fork.
    pub forks: u64,
    /// How many seeds had a life that went on twice.
    pub split: u64,
    /// In how many of them acknowledged writes of its copies were lost.
    pub split_with_losses: u64,
    /// How many such writes were lost.
    pub lost_by_twins: u64,
    /// The smallest seed that failed, and how.
    pub failure: Option<(u64, String)>,
}

/// Runs one seed: faults first, then the check. `trace` prints what happens.
#[must_use]
pub fn run_seed(seed: u64, fault: Option<Fault>, trace: bool) -> Outcome {
    let run = || {
        let mut world = World::new(seed, fault, trace);
        world.run_faults();
        let rounds = if world.violation.is_none() { world.heal() } else { 0 };
        let rounds = match world.violation {
            None if world.twins.any() => rounds.max(world.meet_again()),
            _ => rounds,
        };
        // A clone that was idle may be noticed at any time, which ends the session.
        if world.violation.is_none() && !world.has_clones() && world.random.one_in(3) {
            world.stay_live();
        }
        // Only an injected fault or a clone causes a fork; a correct store never has one.
        if world.forks > 0 && fault.is_none() && !world.twins.any() {
            world.violate("a session noticed a fork where there was none");
        }
        outcome_of(&world, seed, rounds)
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default();
        Outcome { seeds: 1, failure: Some((seed, format!("a panic: {text}"))), ..Outcome::default() }
    })
}

/// Runs `count` seeds from `first` on, on all cores, and stops at a failure.
#[must_use]
pub fn run_seeds(first: u64, count: u64, fault: Option<Fault>) -> Outcome {
    let (next, total) = (AtomicU64::new(0), Mutex::new(Outcome::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count {
                return;
            }
            let outcome = run_seed(first + seed, fault, false);
            if outcome.failure.is_some() {
                next.store(count, Ordering::Relaxed);
            }
            total.lock().expect("no thread panics while it adds up").join(&outcome);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    total.into_inner().expect("no thread panics while it adds up")
}

/// A copy of a database file keeps the original's identity, and both write before they sync.
#[must_use]
pub fn run_unnoticed_clone(seed: u64) -> Outcome {
    let mut world = World::with_climate(Random::new(seed), Climate::calm(2), None, false);
    let write = |world: &mut World, node: usize| {
        for _ in 0..8 {
            // Clocks differ, as tombstones of both copies with the same dot and timestamp would be one version.
            world.nodes[node].skew = 0;
            world.run_for(SECOND);
            let life = world.nodes[node].life;
            world.write(node, life, 2);
        }
    };
    // Until they have synced, each claims changes that the other made.
    world.checks = false;
    write(&mut world, 0);
    let copy = world.clone_unnoticed(0);
    write(&mut world, 0);
    write(&mut world, copy);
    world.open(0, copy, 0, false);
    world.run_for(60 * SECOND);
    let met = world.forks;
    let rounds = world.sync_until_converged();
    let mut outcome = outcome_of(&world, seed, rounds);
    outcome.forks = met;
    outcome
}

/// Two nodes with one certificate meet a third one, which has rows of the first on its list of held rows, in live
/// sessions: each of them takes the cursor over from the other.
#[must_use]
pub fn run_shared_certificate(seed: u64) -> Outcome {
    let climate = Climate { hub: true, wild_clocks: true, ..Climate::calm(3) };
    let mut world = World::with_climate(Random::new(seed), climate, None, false);
    world.nodes[2].fingerprint = world.nodes[1].fingerprint;
    world.nodes[1].skew = HOUR as i64;
    let life = world.nodes[1].life;
    world.write(1, life, 4);
    world.open(1, 0, 0, false);
    world.run_for(60 * SECOND);
    let held = world.struck.of(Strike::HeldBack);
    world.nodes[1].skew = 0;
    world.skip(2 * HOUR);
    world.stay_live();
    let mut outcome = outcome_of(&world, seed, 0);
    if held == 0 {
        outcome.failure.get_or_insert((seed, "nothing was held back".into()));
    }
    outcome
}

const HOUR: Moment = 3_600 * SECOND;

impl Outcome {
    fn join(&mut self, other: &Self) {
        self.struck.join(&other.struck);
        self.seeds += other.seeds;
        self.rounds = self.rounds.max(other.rounds);
        self.sessions += other.sessions;
        self.writes += other.writes;
        self.acknowledged += other.acknowledged;
        self.loose_shards += other.loose_shards;
        self.forks += other.forks;
        self.split += other.split;
        self.split_with_losses += other.split_with_losses;
        self.lost_by_twins += other.lost_by_twins;
        let smaller =
            |(seed, _): &&(u64, String)| self.failure.as_ref().is_none_or(|(known, _)| seed < known);
        if let Some(failure) = other.failure.as_ref().filter(smaller) {
            self.failure = Some(failure.clone());
        }
    }

    /// The kinds of faults that occurred too rarely.
    pub fn rare(&self) -> impl Iterator<Item = Strike> {
        Strike::ALL.iter().copied().filter(|strike| self.struck.of(*strike) <= strike.least())
    }
}

fn outcome_of(world: &World, seed: u64, rounds: u64) -> Outcome {
    let (writes, acknowledged) = world.oracle.totals();
    Outcome {
        struck: world.struck.clone(),
        seeds: 1,
        rounds,
        sessions: world.links.len() as u64,
        writes,
        acknowledged,
        loose_shards: world.loose_shards(),
        forks: world.forks,
        split: world.twins.any().into(),
        split_with_losses: (world.lost_by_twins > 0).into(),
        lost_by_twins: world.lost_by_twins,
        failure: world.violation.clone().map(|what| (seed, what)),
    }
}
