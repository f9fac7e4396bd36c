use crate::link::Link;
use crate::node::{Moment, SECOND};
use crate::world::{Event, World};

impl World {
    /// Runs the schedule with the seed's faults.
    pub(crate) fn run_faults(&mut self) {
        self.schedule(0, Event::Act);
        while self.acts_left > 0 && self.violation.is_none() {
            self.run_for(10 * SECOND);
        }
    }

    /// Ends the faults and syncs until all nodes hold the same; returns how many rounds that took.
    pub(crate) fn heal(&mut self) -> u64 {
        self.end_faults();
        // Give stuck sessions the time to be given up.
        self.end_live_sessions();
        self.run_for(60 * SECOND);
        if self.climate.wild_clocks {
            // Let every node sync once with a right clock; then wait until the wrong timestamps are in the past.
            self.sync_once(self.nodes.len());
            self.skip(3 * 3_600 * SECOND);
        }
        self.sync_until_converged()
    }

    /// Syncs until all nodes hold the same; returns how many rounds that took.
    pub(crate) fn sync_until_converged(&mut self) -> u64 {
        let reach = if self.random.one_in(2) && !self.has_strangers() { 1 } else { self.nodes.len() };
        // What a repair brings back to one end of a chain may have to travel to the other end and back. A former build cannot
        // be asked for a row on a list: it arrives one session later.
        let line = LEAST_ROUNDS.max(self.nodes.len() as u64 - 1);
        let takes_longer = self.climate.tampers || self.twins.any() || self.climate.former_builds > 0;
        let most = if takes_longer { 2 * line } else { line };
        for round in 1..=most {
            self.sync_once(reach);
            if self.violation.is_some() {
                return round;
            }
            if self.check_converged().is_ok() {
                self.check_the_end();
                return round;
            }
        }
        for (number, node) in self.nodes.iter().enumerate() {
            for shard in &node.store.current().shards {
                let state = &shard.state;
                let (claimed, loose) = (&state.version_vector, state.received.beyond(&state.version_vector));
                self.note(|| format!("node {number} {}: {claimed:?}, beyond it {loose:?}", shard.id));
            }
        }
        let what = self.check_converged().err().unwrap_or_default();
        self.violate(format!("not converged after {most} rounds: {what}"));
        most
    }

    /// Live sessions carry later writes to all nodes, then fall silent.
    pub(crate) fn stay_live(&mut self) {
        let nodes = self.nodes.len();
        let opened = self.links.len();
        // What is on a list and cannot be asked for comes with the next session: these have none.
        self.climate.former_builds = 0;
        for shard in 0..self.shards.len() {
            for node in 0..nodes {
                // Where all meet the first node only, it is the middle of a star.
                let peer = if self.climate.hub { 0 } else { (node + 1) % nodes };
                if self.may_meet(node, peer) {
                    self.open(node, peer, shard, true);
                }
            }
        }
        for _ in 0..6 {
            let (node, writes) = (self.random.index(nodes), self.random.between(1, 4));
            self.write_soon(node, writes);
        }
        self.run_until_quiet();
        if self.violation.is_some() {
            return;
        }
        if let Err(what) = self.check_converged() {
            self.violate(format!("live sessions fell silent too early: {what}"));
        }
        self.check_the_end();
        if !self.links[opened..].iter().all(Link::is_open) {
            self.violate("a live session ended by itself");
        }
        self.end_live_sessions();
    }

    fn check_the_end(&mut self) {
        if let Err(what) = self.check_kept() {
            self.violate(what);
        }
    }

    /// Starts a session for each pair and shard, or only for neighbours in a line, at about the same time.
    fn sync_once(&mut self, reach: usize) {
        let (opened, nodes) = (self.links.len(), self.nodes.len());
        for shard in 0..self.shards.len() {
            for a in 0..nodes {
                let peers: Vec<usize> = (a + 1..nodes).filter(|b| self.may_meet(a, *b)).take(reach).collect();
                for b in peers {
                    self.open(a, b, shard, false);
                    let pause = self.random.below(SECOND / 2);
                    self.run_for(pause);
                }
            }
        }
        self.run_until_quiet();
        if self.violation.is_none() && self.links[opened..].iter().any(Link::is_open) {
            self.violate("a session is stuck although nothing failed");
        }
    }

    fn run_until_quiet(&mut self) {
        let mut waited = 0;
        while !self.is_quiet() && self.violation.is_none() {
            self.run_for(5 * SECOND);
            waited += 5 * SECOND;
            if waited > MAX_WAIT {
                self.violate("the nodes never fall silent");
            }
        }
    }

    fn end_live_sessions(&mut self) {
        for link in 0..self.links.len() {
            if self.links[link].live && self.links[link].is_open() {
                for side in [0, 1] {
                    self.disconnect(crate::node::Place { link, side }, "closed");
                }
            }
        }
    }
}

/// How many rounds are allowed at least. Nodes in a line need as many as there are links between them: each session carries
/// rows and claims one link further, and rows on a list in the same session, as its End waits for them or counts for them
/// later.
const LEAST_ROUNDS: u64 = 6;
const MAX_WAIT: Moment = 600 * SECOND;
