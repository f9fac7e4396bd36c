//! How long a coordinator takes to learn of 10,000 peers and of 100,000 tasks, without executing them.
//!
//! `coordinator [runs]`: median of `runs` (default 9), each with an agenda of its own.

use std::hint::black_box;
use std::time::{Duration, Instant};

use vectr_benches::{BenchError, median, millis};
use vectr_delta::{NodeName, ShardId};
use vectr_sync::{Peer, PeerStatus, Scheduler};

fn main() -> Result<(), BenchError> {
    let runs = std::env::args().nth(1).map_or(Ok(9), |runs| runs.parse::<usize>())?.max(1);
    let peers = (0..PEERS).map(peer).collect::<Result<Vec<_>, _>>()?;
    let shards =
        (0..SHARDS).map(|number| ShardId::new(&format!("shard-{number}"))).collect::<Result<Vec<_>, _>>()?;
    let (mut registering, mut scheduling) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let agenda = Scheduler::default();
        registering.push(register(&agenda, peers.clone()));
        scheduling.push(schedule(&agenda, &peers, &shards));
        assert_eq!((agenda.peers().len(), agenda.pending_tasks()), (PEERS, TASKS), "nothing is lost");
    }
    println!("Milliseconds, median of {runs} runs.\n");
    println!("| register {PEERS} peers | schedule {TASKS} tasks |\n|---:|---:|");
    println!("| {:.2} | {:.2} |", millis(median(&registering)), millis(median(&scheduling)));
    Ok(())
}

fn register(agenda: &Scheduler, peers: Vec<Peer>) -> Duration {
    let started = Instant::now();
    for peer in peers {
        agenda.register_peer(black_box(peer));
    }
    started.elapsed()
}

/// Priorities come in no order, as the worst case of a queue.
fn schedule(agenda: &Scheduler, peers: &[Peer], shards: &[ShardId]) -> Duration {
    let started = Instant::now();
    for number in 0..TASKS {
        let priority = (number.wrapping_mul(0x9e37_79b1) >> 7) % 1_000;
        let shard = shards[number % SHARDS].clone();
        agenda.schedule(black_box(shard), &peers[number % PEERS].address, priority as i32);
    }
    started.elapsed()
}

fn peer(number: usize) -> Result<Peer, BenchError> {
    Ok(Peer {
        node: NodeName::new(&format!("node-{number}"))?,
        address: format!("192.0.2.{}:{}", number % 250, 4_433 + number / 250),
        shards: (0..3).map(|shard| ShardId::new(&format!("shard-{shard}"))).collect::<Result<_, _>>()?,
        last_contact: None,
        status: PeerStatus::Unknown,
    })
}

const PEERS: usize = 10_000;
const TASKS: usize = 100_000;
const SHARDS: usize = 10;
