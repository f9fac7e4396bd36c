//! Each hostile client for a while, and what it cost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::attack::{self, Client};
use crate::clients;
use crate::scene::{Scene, Trusted};
use crate::size::{Size, high_water, mib};

/// `VECTR_HOSTILE_SECONDS`: how long each client goes on. `VECTR_HOSTILE_ONLY`: a part of the names of those to run.
#[test]
#[ignore = "takes ten minutes and the whole machine: npm run dev -- hostile"]
fn hostile_clients_leave_nothing_and_keep_to_their_limits() {
    let _alone = crate::soak::turn();
    attack::raise_descriptor_limit();
    let seconds = std::env::var("VECTR_HOSTILE_SECONDS").map_or(4, |given| given.parse().unwrap());
    let only = std::env::var("VECTR_HOSTILE_ONLY").unwrap_or_default();
    let chosen = || clients::ALL.iter().filter(|client| client.name.contains(&only));
    println!("{}", Trial::HEAD);
    let (mut trials, mut faults) = (0, Vec::new());
    for trusted in [Trusted::BySecret, Trusted::ByPin] {
        if chosen().all(|client| client.trusted != trusted) {
            continue;
        }
        let mut scene = Scene::start(trusted);
        for client in chosen().filter(|client| client.trusted == trusted) {
            let trial = Trial::run(&mut scene, *client, Duration::from_secs(seconds));
            println!("{}", trial.line());
            scene.settle();
            faults.extend(trial.faults());
            trials += 1;
        }
        scene.end();
    }
    assert!(trials > 0, "no client is named '{only}'");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What was measured of one client.
struct Trial {
    client: Client,
    deeds: u64,
    /// Median times of honest rounds without it and beside it, and the longest beside it.
    quiet: Duration,
    beside: Duration,
    longest: Duration,
    rounds: usize,
    before: Size,
    /// The largest while it ran, and when it had gone.
    most: Size,
    after: Size,
    /// Of one processor, in the quiet rounds and while it ran.
    worked: [f64; 2],
}

impl Trial {
    const HEAD: &str = "\
client               rounds  quiet ms  beside ms  ratio  longest ms  memory MiB  after MiB   threads  descriptors     hub CPU  deeds\n\
-------------------  ------  --------  ---------  -----  ----------  ----------  ---------  --------  -----------  ----------  -----";

    fn run(scene: &mut Scene, client: Client, duration: Duration) -> Self {
        scene.hub.restart();
        // Its caches fill with honest work alone.
        for _ in 0..WARM_ROUNDS {
            scene.round();
        }
        let (begun, idle) = (Instant::now(), scene.hub.size());
        let quiet: Vec<Duration> = (0..QUIET_ROUNDS).map(|_| scene.round()).collect();
        let before = scene.hub.size();
        let quiet_work = share(idle, before, begun.elapsed());
        let (process, highest, target) =
            (scene.hub.process(), high_water(scene.hub.process()), scene.target());
        let (is_over, begun) = (AtomicBool::new(false), Instant::now());
        let (deeds, mut rounds, mut most) = thread::scope(|scope| {
            let attacking = scope.spawn(|| attack::run(client, &target, duration));
            let watching = scope.spawn(|| {
                let mut most = before;
                while !is_over.load(Ordering::Relaxed) {
                    most = most.max(Size::of(process));
                    thread::sleep(Duration::from_millis(20));
                }
                most
            });
            let mut rounds = Vec::new();
            let over = attack::Over(&is_over);
            while !attacking.is_finished() {
                rounds.push(scene.round());
            }
            drop(over);
            (attacking.join().unwrap(), rounds, watching.join().unwrap())
        });
        // What the samples may have missed.
        if high_water(process) > highest {
            most.resident = high_water(process);
        }
        let worked = [quiet_work, share(before, scene.hub.size(), begun.elapsed())];
        let after = calm(scene, before);
        let longest = rounds.iter().max().copied().unwrap();
        let count = rounds.len();
        let (quiet, beside) = (median(quiet), median(std::mem::take(&mut rounds)));
        Self { client, deeds, quiet, beside, longest, rounds: count, before, most, after, worked }
    }

    fn line(&self) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        format!(
            "{:<19}  {:>6}  {:>8.1}  {:>9.1}  {:>5.2}  {:>10.1}  {:>10.1}  {:>9.1}  {:>2} {:>2} {:>2}  {:>3} {:>3} {:>3}  {:>3.0} {:>3.0} %  {} {}",
            self.client.name,
            self.rounds,
            ms(self.quiet),
            ms(self.beside),
            ms(self.beside) / ms(self.quiet),
            ms(self.longest),
            mib(self.most.resident.saturating_sub(self.before.resident)),
            mib(self.after.resident) - mib(self.before.resident),
            self.before.threads,
            self.most.threads,
            self.after.threads,
            self.before.descriptors,
            self.most.descriptors,
            self.after.descriptors,
            self.worked[0] * 100.0,
            self.worked[1] * 100.0,
            self.deeds,
            self.client.deeds,
        )
    }

    /// What must not be, in words.
    fn faults(&self) -> Vec<String> {
        let (name, mut faults) = (self.client.name, Vec::new());
        if self.deeds == 0 {
            faults.push(format!("{name} has done nothing"));
        }
        let held = self.most.resident.saturating_sub(self.before.resident);
        if held > self.client.memory {
            faults.push(format!("{name} made the hub hold {:.1} MiB", mib(held)));
        }
        if !is_calm(self.after, self.before) {
            faults.push(format!("{name} left {:?} of {:?}", self.after, self.before));
        }
        faults
    }
}

/// Waits until what the client had open is closed: a minute at most.
pub(crate) fn calm(scene: &Scene, before: Size) -> Size {
    for _ in 0..600 {
        let now = scene.hub.size();
        if is_calm(now, before) {
            return now;
        }
        thread::sleep(Duration::from_millis(100));
    }
    scene.hub.size()
}

/// A thread or two come and go with ordinary work, and up to four connections of readers with two descriptors each.
pub(crate) fn is_calm(now: Size, before: Size) -> bool {
    now.threads <= before.threads + 2 && now.descriptors <= before.descriptors + 8
}

fn share(before: Size, after: Size, time: Duration) -> f64 {
    (after.worked - before.worked) as f64 / 100.0 / time.as_secs_f64()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// After so many rounds the caches of a hub are full, and its readers open.
pub(crate) const WARM_ROUNDS: usize = 30;
const QUIET_ROUNDS: usize = 10;
