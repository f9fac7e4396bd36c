//! Vector shards in one SQLite file, or in memory.
//!
//! `vectr-delta` decides what a change means and which version wins. This crate stores it: the schema, one writer and
//! its readers, the durability barrier, the proof that a file continues its site, exact search, and, in
//! [`replication`], the storage side of a sync.
//!
//! Every call may block: make it from a thread that may. A [`VectrDB`] is a handle, and its clones share one database.
//!
//! ```
//! # fn main() -> Result<(), vectr_core::CoreError> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("agent.db");
//! use vectr_core::VectrDB;
//!
//! let db = VectrDB::open(path)?;
//! let notes = db.shard("notes")?;
//! notes.upsert("greeting", ([0.1, 0.9], r#"{"text": "hello"}"#))?;
//! notes.upsert("farewell", &[0.8, 0.1])?;
//!
//! let hits = notes.search(&[0.2, 0.8], 1)?;
//! assert_eq!(&*hits[0].id, "greeting");
//! assert_eq!(hits[0].metadata.as_ref().map(|metadata| metadata.as_str()), Some(r#"{"text": "hello"}"#));
//! db.close()?;
//! # Ok(())
//! # }
//! ```

mod config;
mod db;
mod error;
mod error_text;
mod file;
mod incarnation;
mod inspect;
mod random;
pub mod replication;
mod storage;
mod writer;

pub use config::{Clock, Config};
pub use db::changelog::deltas::DeltaScope;
pub use db::changelog::feed::ChangeFeed;
pub use db::conflicts::StoredConflict;
pub use db::iter::Iteration;
pub use db::iter::listing::ListedVector;
pub use db::overview::{Overview, ShardOverview, StorageStatistics};
pub use db::peers::PeerLag;
pub use db::query::{QueryOptions, Rows, Value};
pub use db::search::distance::Metric;
pub use db::search::{Hit, Hits, Search};
pub use db::shard::{Shard, Transaction};
pub use db::status::ShardStatistics;
pub use db::vectors::Entry;
pub use db::{Target, VectrDB};
pub use error::CoreError;
pub use inspect::Inspection;
pub use inspect::preparation::PreparedShard;
pub use inspect::verification::{Fault, FaultKind, Oversized, OversizedKind, Verification, VerifiedShard};
pub use writer::TransactionId;
pub use writer::commit_notifier::Subscription;
pub use writer::log_watch::LogExcess;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
