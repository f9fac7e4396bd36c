//! The data model of a shard: rows with concurrent versions, the ids and clocks that order them, and the strategies
//! that choose between them.

mod conflict;
mod cursor;
mod descriptor;
mod digest;
mod fingerprint;
mod merge;
mod name;
mod payload;
mod row;
mod site;
mod strategy;
mod timestamp;
mod version_vector;

pub use conflict::ConflictId;
pub use cursor::{ChangeId, CommitNo, Cursor, HeldRow, HeldStamp};
pub use descriptor::{Descriptor, ElementType};
pub use digest::Digest;
pub use fingerprint::Fingerprint;
pub(crate) use merge::{mean, merged_metadata};
pub use name::{NodeName, ShardId, VectorId};
pub(crate) use payload::first_not_finite;
pub use payload::{Dimensions, Metadata, Payload, PayloadHash, components};
pub use row::{Operation, Row, Sibling, VectorRow};
pub use site::{ChangelogId, SiteId};
pub use strategy::{Strategy, View};
pub use timestamp::{MAX_CLOCK_SKEW, MAX_SAFE_INTEGER, Timestamp};
pub use version_vector::{Dot, Relation, VersionVector};
