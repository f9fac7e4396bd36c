//! What nodes send to each other, byte by byte.

mod batch;
mod codec;
mod frame;
mod message;

pub use batch::{Batch, ChangeId, VectorRow};
pub use codec::{Codec, Uncompressed};
pub use frame::{Frame, FrameDecoder};
pub use message::{Cursor, End, Held, Hello, Message, MessageDecoder, Reject};
