//! What changed in a replicated vector shard, and who wins.
//!
//! Everything here is a pure function of its arguments: no IO, no async, no clock, no randomness. Storage comes in
//! through the traits of [`ShardRead`] and [`ShardWrite`]; the protocol is the state machine [`Session`].

mod batch;
mod bounded;
pub mod changes;
mod codec;
mod conflict;
mod descriptor;
mod digest;
mod error;
mod fingerprint;
mod frame;
mod intake;
mod joining;
mod json;
mod local;
mod merging;
mod message;
mod name;
mod order;
mod page;
mod payload;
mod renewal;
mod replica;
mod row;
mod session;
mod site;
mod strategy;
mod timestamp;
mod version_vector;

pub use batch::{Batch, ChangeId, VectorRow};
pub use codec::{Codec, Uncompressed};
pub use conflict::ConflictId;
pub use descriptor::{Descriptor, ElementType};
pub use digest::Digest;
pub use error::DeltaError;
pub use fingerprint::Fingerprint;
pub use frame::{Frame, FrameDecoder};
pub use intake::{Applied, Ended, Intake, Refusal};
pub use joining::{Joining, RefusedRow, join_rows};
pub use local::{LocalWrite, MAX_CLOCK_SKEW, write_local, write_resolution};
pub use message::{Cursor, End, Held, Hello, Message, MessageDecoder, Reject};
pub use name::{NodeName, ShardId, VectorId};
pub use page::{HelloOffer, Page, PageEnd, PageSize, Withheld, read_hello, read_page};
pub use payload::{Dimensions, Metadata, Payload, PayloadHash, components};
pub use renewal::Renewal;
pub use replica::{CommitNo, Origin, RowVisitor, ShardRead, ShardState, ShardWrite, replace_row};
pub use row::{Operation, Row, Sibling};
pub use session::{
    Ending, PeerStanding, Session, SessionConfig, SessionReport, StoreReply, StoreRequest, Warning,
};
pub use site::{ChangelogId, SiteId};
pub use strategy::{Strategy, View};
pub use timestamp::{MAX_SAFE_INTEGER, Timestamp};
pub use version_vector::{Dot, Relation, VersionVector};
