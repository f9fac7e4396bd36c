//! What changed in a replicated vector shard, and which version wins.
//!
//! Everything here is a pure function of its arguments: no IO, no async, no clock, no randomness. Storage implements
//! the traits [`ShardRead`] and [`ShardWrite`]; the protocol is the state machine [`Session`].

mod bounded;
pub mod changes;
mod error;
mod feed;
mod json;
mod model;
mod recent_versions;
mod replica;
mod session;
mod sort;
mod wire;

pub use error::DeltaError;
pub use feed::Feed;
pub use model::{
    ChangeId, ChangelogId, CommitNo, ConflictId, Cursor, Descriptor, Digest, Dimensions, Dot, ElementType,
    Fingerprint, HeldRow, HeldStamp, MAX_CLOCK_SKEW, MAX_SAFE_INTEGER, Metadata, NodeName, Operation,
    Payload, PayloadHash, Relation, Row, ShardId, Sibling, SiteId, Strategy, Timestamp, VectorId, VectorRow,
    VersionVector, View, components,
};
pub use recent_versions::{HoldsVersions, RecentVersions};
pub use replica::{
    Alteration, Applied, ClockEvidence, CountedRows, DamagedRows, EndRule, Ended, FoundRows, HelloOffer,
    JoinReport, LocalHello, LocalWrite, Origin, Page, PageEnd, PageSize, Preference, RangeCounts,
    RangeDigests, RangePage, RangeVisitor, Refusal, RefusedRow, RemoteApply, Repaired, RowVisitor, ShardRead,
    ShardState, ShardVersion, ShardWrite, SiteReset, VisitedRow, Withheld, check_rows, compare_ranges,
    count_rows, find_rows, join_rows, read_feed, read_hello, read_page, read_range, replace_row,
    settle_repair, split_ranges, write_local, write_resolution,
};
pub use session::{
    ChangeSpan, Ending, KnownHellos, PeerProgress, RepairRest, Session, SessionConfig, SessionReport,
    StoreReply, StoreRequest, Warning,
};
pub use wire::{
    Batch, Codec, End, Frame, FrameDecoder, Held, HeldAnswer, HeldMessage, Hello, IdRange, Lz4Columns,
    Message, MessageDecoder, Open, RangeDigest, RangeRows, Reject, RepairMessage, ShardSummary, Since,
    Uncompressed, Undecoded, UnsentRow,
};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
