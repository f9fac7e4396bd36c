//! The wire format: messages, the frames that carry them, and the columns of a batch.

mod batch;
mod codec;
mod decoder;
mod digest_bytes;
mod fit;
mod frame;
mod held_rows;
mod kinds;
mod message;
mod msgpack;
mod repair;
mod since;
mod span;
mod weight;

pub use batch::Batch;
pub use codec::{Codec, Lz4Columns, Uncompressed};
pub use decoder::{MessageDecoder, Undecoded};
pub use frame::{Frame, FrameDecoder};
pub use held_rows::{HeldAnswer, HeldMessage, UnsentRow};
pub use message::{End, Held, Hello, Message, Reject, Since};
pub use repair::{IdRange, RangeDigest, RangeRows, RepairMessage, ShardSummary};
pub(crate) use since::{FEW_SITES, SINCE};
pub use span::Open;
pub(crate) use span::{SPANNING, TooManySites, needs_spans, reads_spans};
