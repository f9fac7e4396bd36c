//! Vector shards in one SQLite file, or in memory.
//!
//! `vectr-delta` decides what a change means and who wins; here is where it is kept: the schema, the one writer and its
//! readers, the durability barrier, the proof of a site's continuity, exact search, and the storage side of a sync.
//!
//! Everything here may block: call it from a thread that may. A [`VectrDB`] is a handle; clones are the same database.
//!
//! ```
//! use vectr_core::{At, Config, Search, VectrDB};
//! use vectr_delta::{Metadata, Payload, ShardId, VectorId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("agent.db");
//! # let state_dir = Some(folder.path().to_owned());
//! let notes = ShardId::new("notes")?;
//! let config = Config { shard: Some(notes.clone()), ..Config::file(path) };
//! # let config = Config { state_dir, ..config };
//! let db = VectrDB::new(config)?;
//!
//! let greeting = VectorId::new("greeting")?;
//! let metadata = Metadata::new(r#"{"text": "hello"}"#)?;
//! db.upsert(At::shard(&notes), &greeting, Payload::from_components(&[0.1, 0.9], Some(metadata))?)?;
//!
//! let hits = db.search(&Search { k: 1, ..Search::new(notes.clone(), vec![0.2, 0.8]) })?;
//! assert_eq!(hits[0].id, greeting);
//! assert_eq!(db.count(&notes)?, 1);
//! db.close()?;
//! # Ok(())
//! # }
//! ```

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
mod inspection;
mod iteration;
mod ledger;
mod local;
mod lock;
mod machine;
mod opening;
mod overview;
mod peers;
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
mod verification;
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
pub use inspection::Inspection;
pub use iteration::{Iteration, Listed};
pub use local::Entry;
pub use overview::{Overview, ShardOverview};
pub use peers::PeerLag;
pub use query::{Rows, Value};
pub use search::{Hit, Search};
pub use session_mark::SessionMark;
pub use status::ShardStatus;
pub use sync::{BatchesTaken, ChangeSpan, EndTaken, Outcome};
pub use verification::{Fault, FaultKind, Verification, VerifiedShard};
pub use writer::TransactionId;
