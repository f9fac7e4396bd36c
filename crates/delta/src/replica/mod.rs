//! How one shard changes: local writes, rows of peers, a new site; and what is read from it for a peer.

mod apply;
mod join;
mod local_write;
mod page;
mod reset;
mod shard;

pub use apply::{Applied, Ended, Refusal, RemoteApply};
pub use join::{JoinReport, RefusedRow, join_rows};
pub use local_write::{LocalWrite, MAX_CLOCK_SKEW, write_local, write_resolution};
pub use page::{HelloOffer, Page, PageEnd, PageSize, Withheld, read_hello, read_page};
pub use reset::SiteReset;
pub use shard::{CommitNo, Origin, RowVisitor, ShardRead, ShardState, ShardWrite, replace_row};
