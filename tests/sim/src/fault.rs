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
    /// A cursor stays below the rows of its own batch that were held back, but passes those of earlier batches even
    /// where they found no room on the list.
    CursorPassesHeldRow,
    /// The cursor passes rows that are held back as if they were on the list, which nobody keeps.
    HeldRowsUnlisted,
    /// An End is taken over with the sites of rows on the list that were refused in earlier sessions.
    EndIgnoresHeldRows,
    /// Rows leave the list when they are asked for, before the answer is applied.
    HeldRowsLeaveEarly,
    /// A node takes its clock for corrected, and writes its versions again, because its last stamp is in the future.
    ClockWithoutEvidence,
    /// A repair joins only one version of each row, with the context of all.
    RepairOfSingleSiblings,
    /// A repair adds the versions that it joins to the version vector.
    RepairMovesVersionVector,
    /// A barrier whose sync fails counts as done.
    FailedSyncCounts,
    /// After a failed sync the next one counts, although nothing was written anew.
    SyncAfterFailureCounts,
    /// A sync counts of a log that a former process left, although nothing was written anew.
    LeftLogCounts,
    /// A checkpoint whose sync fails counts as done, and the log begins anew.
    FailedCheckpointCounts,
    /// A Hello that tells only what is new is completed from any former session, whichever it builds upon.
    SinceOfAnySession,
    /// A node goes on under its site although a session has shown that another copy does as well.
    CloneGoesUnnoticed,
    /// Digests are not compared as long as a node holds versions beyond its version vector.
    LooseShardsDiffer,
    /// A commit wakes the sessions of its shard only if it wrote rows: claims that were taken over wait for the next ones.
    ClaimsWakeNobody,
    /// A feed reads on behind rows that it has not read.
    FeedPassesOver,
    /// A session takes pages from a feed that were read before its own last one.
    FeedGoesBack,
    /// The end of a page that a feed had read tells what the shard holds now.
    FeedClaimsMore,
    /// A page that a feed had read is sent before it is durable, as if another session had waited for that.
    FeedWithoutBarrier,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 25] = [
        Self::JoinOfSingleSiblings,
        Self::VersionVectorBeforeEnd,
        Self::VersionVectorAfterPage,
        Self::BarrierOfLocalChanges,
        Self::ChangeIdUsedAgain,
        Self::RestoredCopyKeepsSite,
        Self::CursorPassesHeldRow,
        Self::HeldRowsUnlisted,
        Self::EndIgnoresHeldRows,
        Self::HeldRowsLeaveEarly,
        Self::ClockWithoutEvidence,
        Self::RepairOfSingleSiblings,
        Self::RepairMovesVersionVector,
        Self::FailedSyncCounts,
        Self::SyncAfterFailureCounts,
        Self::LeftLogCounts,
        Self::FailedCheckpointCounts,
        Self::SinceOfAnySession,
        Self::CloneGoesUnnoticed,
        Self::LooseShardsDiffer,
        Self::ClaimsWakeNobody,
        Self::FeedPassesOver,
        Self::FeedGoesBack,
        Self::FeedClaimsMore,
        Self::FeedWithoutBarrier,
    ];
}
