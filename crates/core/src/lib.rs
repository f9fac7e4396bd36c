//! Vector shards in one SQLite file, or in memory.
//!
//! `vectr-delta` decides what a change means and which version wins. This crate stores it: the schema, one writer and
//! its readers, the durability barrier, the proof that a file continues its site, exact search, and, in
//! [`replication`], the storage side of a sync.
//!
//! Every call may block: make it from a thread that may. A [`VectrDB`] is a handle, and its clones share one database.
//!
//! ```
//! use vectr_core::{Target, Config, Search, VectrDB};
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
//! db.upsert(Target::shard(&notes), &greeting, Payload::from_components(&[0.1, 0.9], Some(metadata))?)?;
//!
//! let hits = db.search(&Search { k: 1, ..Search::new(notes.clone(), vec![0.2, 0.8]) })?;
//! assert_eq!(hits[0].id, greeting);
//! assert_eq!(db.count(&notes)?, 1);
//! db.close()?;
//! # Ok(())
//! # }
//! ```

mod config;
mod db;
mod error;
mod incarnation;
mod inspect;
mod random;
pub mod replication;
mod storage;
mod writer;

pub use config::{Clock, Config};
pub use db::conflicts::StoredConflict;
pub use db::deltas::DeltaScope;
pub use db::iter::Iteration;
pub use db::iter::listing::ListedVector;
pub use db::overview::{Overview, ShardOverview};
pub use db::peers::PeerLag;
pub use db::query::{Rows, Value};
pub use db::search::distance::Metric;
pub use db::search::{Hit, Search};
pub use db::status::ShardStatistics;
pub use db::vectors::Entry;
pub use db::{Target, VectrDB};
pub use error::CoreError;
pub use inspect::Inspection;
pub use inspect::verification::{Fault, FaultKind, Verification, VerifiedShard};
pub use writer::TransactionId;
pub use writer::commit_notifier::Subscription;
