//! What a sync engine uses of a database, and nobody else.
//!
//! [`serve`] is the storage port of a session: it answers each [`StoreRequest`](vectr_delta::StoreRequest) about a
//! shard with one [`StoreReply`](vectr_delta::StoreReply). [`feed_page`] reads once what all sessions of a shard are to
//! send. The rest is bookkeeping: when a shard was synced, what its
//! peers hold, and the id under which this database syncs.

mod commit_watch;
mod notes;
pub(crate) mod own_hellos;
mod read;
mod repair;
mod scrub;
mod serve;
mod session_id;
mod write;

pub use notes::{record_peer, record_sync};
pub use read::feed_page;
pub use scrub::scrub;
pub use serve::{BlockingRead, Serving, finish_unwritten_repair, serve, serve_blocking};
pub use session_id::{SyncSessionId, restore_session};
