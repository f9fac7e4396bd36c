use std::fmt;

macro_rules! strikes {
    ($($name:ident $text:literal,)*) => {
        /// An injected fault. Each one is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Strike {
            $(#[doc = $text] $name,)*
        }

        impl Strike {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name that reports print.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

strikes! {
    Dropped "frames dropped",
    Doubled "frames doubled",
    Reordered "frames overtaken by later ones",
    Corrupted "frames with a flipped bit",
    Cut "streams cut",
    TimedOut "stuck sessions timed out",
    Overlapping "sessions opened beside another of the same pair",
    ProcessCrash "processes crashed",
    PowerCut "power cuts",
    Rewound "commits rewound by power cuts",
    BarrierBroken "barriers interrupted",
    Restored "nodes replaced by an older copy of themselves",
    RewrittenAfterRestore "restored nodes that wrote more than they had lost",
    FewerAfterRestore "restored nodes that wrote no more than they had lost",
    Cloned "nodes started from a copy of another",
    WriteRolledBack "local writes rolled back",
    ApplyRolledBack "batches rolled back",
    EndRolledBack "ends rolled back",
    ClockSkewed "clocks set more than a minute wrong",
    ClockCorrected "databases that wrote their own changes again with a right clock",
    HeldBack "rows held back",
    AskedAgain "held rows that were asked for again",
    ArrivedAfterAll "held rows that came with an answer",
    StaleEnd "ends that were overtaken by a commit",
    RacingWrite "commits while a page was on its way",
    Conflict "vectors that gained concurrent versions",
    RowRemoved "rows removed behind a node's back",
    RowDamaged "rows damaged on a disk",
    Repaired "rows that a repair changed or brought back",
    SyncFailed "syncs of a log that failed",
    LogWrittenAnew "logs written anew before a sync of them counted",
    CheckpointFailed "checkpoints whose sync failed",
    CutAfterFailedSync "power cuts that took what a failed sync had left off the disk",
    ClockBehind "clocks set 90 s back or to 1970",
    RestoredWithMemory "nodes restored together with their memory",
    SiteTaken "sites taken by opening a file",
    ToldBySince "messages that told only what was new",
    AskedForWhole "short Hellos that the peer asked for whole",
    HelloForgotten "Hellos forgotten on one side",
    HelloStale "Hellos of an earlier session kept on one side",
    Spanning "Hellos, Ends and Durables that spanned frames",
    ClonedAlone "running nodes cloned, of which one copy went on",
    ClonedRunning "running nodes cloned, of which both copies went on",
    ResumedUnnoticed "running nodes set back, with their memory and clock",
    CloneNoticed "copies that noticed each other",
    Shared "pages that a feed had read",
    SharedLate "pages of a feed that a later commit had overtaken",
}

impl Strike {
    /// How often it has to occur in thousands of seeds to show anything. Few seeds have a running node cloned, as little
    /// can be checked in them from then on.
    #[must_use]
    pub const fn least(self) -> u64 {
        match self {
            Self::ClonedAlone | Self::ClonedRunning | Self::ResumedUnnoticed | Self::CloneNoticed => 50,
            _ => 1_000,
        }
    }
}

/// How often each [`Strike`] occurred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struck([u64; Strike::ALL.len()]);

impl Struck {
    pub(crate) const fn count(&mut self, strike: Strike) {
        self.add(strike, 1);
    }

    pub(crate) const fn add(&mut self, strike: Strike, times: u64) {
        self.0[strike as usize] += times;
    }

    /// Adds another count.
    pub fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// How often it occurred.
    #[must_use]
    pub const fn of(&self, strike: Strike) -> u64 {
        self.0[strike as usize]
    }
}

impl Default for Struck {
    fn default() -> Self {
        Self([0; Strike::ALL.len()])
    }
}

impl fmt::Display for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Strike::ALL.iter().try_for_each(|strike| writeln!(f, "{:>10}  {}", self.of(*strike), strike.name()))
    }
}
