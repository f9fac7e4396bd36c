//! The wire format: messages, the frames that carry them, and the columns of a batch.

mod batch;
mod batch_codec;
mod batch_columns;
mod batch_reader;
mod codec;
mod digest_bytes;
mod fit;
mod frame;
mod message;
mod msgpack;
mod repair;
mod since;
mod span;

pub use batch::Batch;
pub use codec::{Codec, Lz4Columns, Uncompressed};
pub use frame::{Frame, FrameDecoder};
pub use message::{End, Held, Hello, Message, MessageDecoder, Reject, Since};
pub use repair::{IdRange, RangeDigest, RangeRows, RepairMessage, ShardSummary};
pub(crate) use since::{FEW_SITES, SINCE};
pub use span::Open;
pub(crate) use span::{SPANNING, TooManySites, needs_spans, reads_spans};
