//! Operations on one shard: local writes, applying rows of a peer, taking a new site, and reading pages for a peer.

mod acceptance;
mod apply;
mod hello;
mod join;
mod local_write;
mod outcome;
mod page;
mod reset;
mod shard;
mod shard_version;

pub use apply::RemoteApply;
pub use hello::{HelloOffer, read_hello};
pub use join::{JoinReport, RefusedRow, join_rows};
pub use local_write::{LocalWrite, write_local, write_resolution};
pub use outcome::{Applied, Ended, Refusal};
pub use page::{Page, PageEnd, PageSize, Withheld, read_page};
pub use reset::{ClockEvidence, SiteReset};
pub use shard::{CommitNo, Origin, RowVisitor, ShardRead, ShardState, ShardWrite, replace_row};
pub use shard_version::ShardVersion;
pub(crate) use shard_version::deserialize_vector;
