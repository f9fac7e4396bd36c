/// A bug that an implementation could have, built into the simulated store and driver to show that the checks find it.
/// The delta crate itself is never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Versions that the local version vector covers are taken out of incoming rows, whose contexts stay.
    JoinOfSingleSiblings,
    /// The peer's version vector is joined when its Hello arrives.
    VersionVectorBeforeEnd,
    /// The version vector of an End is read in a transaction after that of the last page.
    VersionVectorAfterPage,
    /// A read waits for the last local write to be durable, not for rows that came from peers.
    BarrierOfLocalChanges,
    /// A rollback or a power cut sets the counter of change ids back to an older barrier's, in the same changelog.
    ChangeIdUsedAgain,
    /// A node restored from an older copy keeps its site and changelog.
    RestoredCopyKeepsSite,
    /// A cursor stays below the rows held back in its own batch, but not below those of earlier batches.
    CursorPassesHeldRow,
    /// A node takes its clock for corrected, and writes its versions again, because its last stamp is in the future.
    ClockWithoutEvidence,
    /// A repair joins only one version of each row, with the context of all.
    RepairOfSingleSiblings,
    /// A repair adds the versions that it joins to the version vector.
    RepairMovesVersionVector,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 10] = [
        Self::JoinOfSingleSiblings,
        Self::VersionVectorBeforeEnd,
        Self::VersionVectorAfterPage,
        Self::BarrierOfLocalChanges,
        Self::ChangeIdUsedAgain,
        Self::RestoredCopyKeepsSite,
        Self::CursorPassesHeldRow,
        Self::ClockWithoutEvidence,
        Self::RepairOfSingleSiblings,
        Self::RepairMovesVersionVector,
    ];
}
