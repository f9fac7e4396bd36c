use vectr_delta::ChangeId;

/// How the feed of a shard has served its live sessions, since the first of those that it has now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeedStatistics {
    /// The change up to which the feed has read.
    pub position: ChangeId,
    /// Live sessions that have been up to date at least once.
    pub sessions: u64,
    /// Of these, those that have yet to read what the feed has.
    pub lagging: u64,
    /// Pages that were read.
    pub pages: u64,
    /// How often a session took one of them.
    pub hits: u64,
    /// How often a session had to read for itself.
    pub misses: u64,
    /// The bytes of rows that sessions did not have to read for themselves.
    pub bytes_saved: u64,
}
