use crate::random::Random;

/// The parameters of one seed's world, drawn from the seed at the start.
#[derive(Clone, Debug)]
pub(crate) struct Climate {
    pub(crate) nodes: usize,
    pub(crate) shards: usize,
    /// Contended vectors of each shard.
    pub(crate) keys: u64,
    /// Each kind of fault affects one frame in this many.
    pub(crate) frame_faults: u64,
    /// One transaction in this many is rolled back.
    pub(crate) rollbacks: u64,
    /// Whether clocks differ by up to an hour instead of less than 50 s.
    pub(crate) wild_clocks: bool,
    /// The number of scheduled actions before the faults stop.
    pub(crate) acts: u64,
    /// The most rows of a page.
    pub(crate) page: u64,
    /// The most unacknowledged batches.
    pub(crate) window: u64,
    /// One message in this many is slow.
    pub(crate) slow: u64,
    /// Whether rows are damaged and removed behind the nodes' backs. No disk is replaced then.
    pub(crate) tampers: bool,
    /// One sync of the log in this many fails.
    pub(crate) sync_failures: u64,
    /// Whether nodes take so many sites that version vectors are told by what is new.
    pub(crate) many_sites: bool,
    /// The most bytes of a frame's body; 0 for the protocol's own limit.
    pub(crate) piece: usize,
    /// How many lives are split: two copies go on under one site.
    pub(crate) splits: u64,
    /// Whether all nodes meet only the first one.
    pub(crate) hub: bool,
    /// One Hello in this many is one of a build that keeps no list of held rows.
    pub(crate) former_builds: u64,
}

impl Climate {
    pub(crate) fn of_seed(random: &mut Random) -> Self {
        let many_sites = random.one_in(12);
        Self {
            nodes: random.between(3, 6) as usize,
            shards: if random.one_in(3) { random.between(2, 3) as usize } else { 1 },
            keys: random.between(2, 8),
            frame_faults: [150, 300, 1_000][random.index(3)],
            rollbacks: random.between(8, 30),
            wild_clocks: random.one_in(3),
            acts: random.between(200, 320),
            page: random.between(1, 4),
            window: random.between(1, 4),
            slow: random.between(8, 40),
            tampers: random.one_in(4),
            sync_failures: if random.one_in(3) { 0 } else { random.between(6, 30) },
            many_sites,
            piece: if many_sites || random.one_in(6) { random.between(80, 1_000) as usize } else { 0 },
            splits: if random.one_in(5) { random.between(1, 3) } else { 0 },
            hub: random.one_in(6),
            former_builds: if random.one_in(3) { 4 } else { 0 },
        }
    }

    /// No random faults.
    pub(crate) const fn calm(nodes: usize) -> Self {
        Self {
            nodes,
            shards: 1,
            keys: 4,
            frame_faults: 0,
            rollbacks: 0,
            wild_clocks: false,
            acts: 0,
            page: 2,
            window: 2,
            slow: 0,
            tampers: false,
            sync_failures: 0,
            many_sites: false,
            piece: 0,
            splits: 0,
            hub: false,
            former_builds: 0,
        }
    }
}
