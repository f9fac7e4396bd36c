//! Vector shards in one SQLite file, or in memory.
//!
//! `vectr-delta` decides what a change means and who wins; here is where it is kept: the schema, the one writer and its
//! readers, the durability barrier, the proof of a site's continuity, exact search, and the storage side of a sync.

mod announcement;
mod backup;
mod barriers;
mod config;
mod conflict_records;
mod conflicts;
mod connection;
mod continuity;
mod db;
mod deltas;
mod desk;
mod distance;
mod durability;
mod entropy;
mod error;
mod held;
mod identity;
mod iteration;
mod ledger;
mod local;
mod lock;
mod machine;
mod opening;
mod query;
mod readers;
mod schema;
mod search;
mod session_mark;
mod site_numbers;
mod snapshot;
mod status;
mod stored_row;
mod stored_state;
mod sync;
mod transaction;
mod version_json;
mod vetting;
mod wal;
mod write_shard;
mod writer;

pub use announcement::Subscription;
pub use barriers::Barriers;
pub use config::{Clock, Config};
pub use conflicts::StoredConflict;
pub use db::{At, VectrDB};
pub use deltas::DeltaScope;
pub use distance::Metric;
pub use error::CoreError;
pub use iteration::{Iteration, Listed};
pub use local::Entry;
pub use query::{Rows, Value};
pub use search::{Hit, Search};
pub use session_mark::SessionMark;
pub use status::ShardStatus;
pub use sync::{BatchesTaken, ChangeSpan, EndTaken, Outcome};
pub use writer::TransactionId;
