//! Honest peers that come and go, and hostile clients by turns, for a long time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::attack::{self, Client};
use crate::clients;
use crate::hub::shard;
use crate::scene::{Scene, Trusted};
use crate::size::{mib, open_files};
use crate::trials::{WARM_ROUNDS, calm, is_calm};

/// Waits until no other test of this program runs.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `VECTR_SOAK_SECONDS`: how long it goes on. All clients come once in each third of that, so that the last third can be
/// held against the middle one, in a run of five minutes or more.
#[test]
#[ignore = "takes half an hour and the whole machine: npm run dev -- soak"]
fn a_hub_keeps_its_size_while_clients_take_turns() {
    let _alone = turn();
    attack::raise_descriptor_limit();
    let seconds: f64 = std::env::var("VECTR_SOAK_SECONDS").map_or(20.0, |given| given.parse().unwrap());
    let mut scene = Scene::start(Trusted::BySecret);
    // Its readers and threads come with honest work.
    for _ in 0..WARM_ROUNDS {
        scene.round();
    }
    let (before, open) = (scene.hub.size(), open_files(scene.hub.process()));
    let clients: Vec<Client> =
        clients::ALL.iter().filter(|client| client.trusted == Trusted::BySecret).copied().collect();
    let each = Duration::from_secs_f64(seconds / 3.0 / clients.len() as f64);
    let (is_over, target, begun) = (AtomicBool::new(false), scene.target(), Instant::now());
    let samples = thread::scope(|scope| {
        let attacking = scope.spawn(|| {
            let _over = attack::Over(&is_over);
            let turns = [&clients[..]; 3].concat();
            turns.iter().map(|client| attack::run(*client, &target, each)).collect::<Vec<u64>>()
        });
        let samples = live(&mut scene, &is_over, begun, Duration::from_secs_f64(seconds / 120.0));
        let deeds: u64 = attacking.join().unwrap().iter().sum();
        println!("{} clients, {deeds} deeds", 3 * clients.len());
        samples
    });
    let after = calm(&scene, before);
    let left = open_files(scene.hub.process());
    assert!(is_calm(after, before), "{after:?} are left of {before:?}: {left:#?} of {open:#?}");
    scene.settle();
    let third = Duration::from_secs_f64(begun.elapsed().as_secs_f64().min(seconds) / 3.0);
    let verdicts = MEASURES.map(|measure| measure.judge(&samples, third));
    verdicts.iter().for_each(|(line, _)| println!("{line}"));
    // In less time each third is another part of the story.
    if seconds >= LONG {
        for (line, is_level) in verdicts {
            assert!(is_level, "{line}");
        }
    }
    scene.end();
}

/// One look at the hub: when, and what [`MEASURES`] lists.
struct Sample {
    at: Duration,
    values: [f64; 4],
}

/// Peers in live sessions write, and one of them goes and comes back at each step, until it is over.
fn live(scene: &mut Scene, is_over: &AtomicBool, begun: Instant, step: Duration) -> Vec<Sample> {
    let (mut samples, hub) = (Vec::new(), scene.hub.remote.to_string());
    let start = |scene: &Scene, number: usize| {
        let _entered = scene.runtime.enter();
        scene.peers[number].engine.start_auto_sync(&shard(), &hub, None).unwrap();
    };
    (0..scene.peers.len()).for_each(|number| start(scene, number));
    let (mut writes, mut next) = (0_u64, Duration::ZERO);
    while !is_over.load(Ordering::Relaxed) {
        scene.peers.iter_mut().for_each(|peer| peer.write(4));
        writes += 20;
        if begun.elapsed() >= next {
            next += step;
            let number = samples.len() % scene.peers.len();
            scene.runtime.block_on(scene.peers[number].restart());
            start(scene, number);
            let (size, log) = (scene.hub.size(), scene.hub.log());
            let values = [mib(size.resident), size.threads as f64, size.descriptors as f64, mib(log)];
            samples.push(Sample { at: begun.elapsed(), values });
        }
        thread::sleep(Duration::from_millis(40));
    }
    scene.peers.iter().for_each(|peer| peer.engine.stop_all_auto_syncs());
    println!("{writes} writes, {} looks", samples.len());
    samples
}

/// Something that must not grow.
#[derive(Clone, Copy)]
struct Measure {
    name: &'static str,
    place: usize,
    /// By how much its median in the last third may be above that in the middle one. None of these depends on how fast
    /// the machine is. `None`: how many there are at once is the machine's, and that they end is looked at afterwards.
    tolerance: Option<f64>,
}

impl Measure {
    fn judge(self, samples: &[Sample], third: Duration) -> (String, bool) {
        let within = |number: u32| {
            let part = samples
                .iter()
                .filter(|sample| sample.at >= third * number && sample.at < third * (number + 1));
            let mut values: Vec<f64> = part.map(|sample| sample.values[self.place]).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let [first, middle, last] = [0, 1, 2].map(within);
        let most = samples.iter().map(|sample| sample.values[self.place]).fold(0.0, f64::max);
        let is_level = self.tolerance.is_none_or(|tolerance| last <= middle + tolerance);
        let name = self.name;
        let allowed =
            self.tolerance.map_or(String::new(), |tolerance| format!("; {tolerance} more are allowed"));
        let line =
            format!("{name}: {first:.1}, {middle:.1}, {last:.1} in the thirds, {most:.1} at most{allowed}");
        (line, is_level)
    }
}

/// Of a run that is long enough to tell growth from the order of events, in seconds.
const LONG: f64 = 300.0;

const MEASURES: [Measure; 4] = [
    Measure { name: "memory, MiB", place: 0, tolerance: Some(16.0) },
    Measure { name: "threads", place: 1, tolerance: None },
    Measure { name: "descriptors", place: 2, tolerance: Some(64.0) },
    Measure { name: "log, MiB", place: 3, tolerance: Some(16.0) },
];
