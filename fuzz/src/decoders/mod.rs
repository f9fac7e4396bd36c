//! Pure decoders: bytes in, values or a refusal out.

pub mod batch;
pub mod delta;
pub mod flat;
pub mod frame;
pub mod message;
pub mod records;
pub mod streams;
