//! Operations on one shard: local writes, applying rows of a peer, taking a new site, reading pages for a peer, and
//! comparing ranges with it.

mod acceptance;
mod apply;
mod count;
mod held;
mod hello;
mod join;
mod local_write;
mod outcome;
mod page;
mod ranges;
mod reset;
mod shard;
mod shard_version;
mod site_names;

pub use apply::{EndRule, RemoteApply, check_rows, settle_repair};
pub use count::{CountedRows, DamagedRows, count_rows};
pub use held::{FoundRows, find_rows};
pub use hello::{HelloOffer, LocalHello, read_hello};
pub use join::{JoinReport, Preference, RefusedRow, join_rows};
pub use local_write::{LocalWrite, write_local, write_resolution};
pub use outcome::{Applied, Ended, Refusal, Repaired};
pub use page::{Page, PageEnd, PageSize, Withheld, read_feed, read_page};
pub use ranges::{RangeCounts, RangeDigests, RangePage, compare_ranges, read_range, split_ranges};
pub use reset::{ClockEvidence, SiteReset};
pub use shard::{
    Alteration, Origin, RangeVisitor, RowVisitor, ShardRead, ShardState, ShardWrite, VisitedRow, replace_row,
};
pub use shard_version::ShardVersion;
pub(crate) use shard_version::deserialize_vector;
