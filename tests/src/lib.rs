//! What the whole-system tests share: real embeddings, and nodes as processes of their own.

mod embeddings;
mod node_process;
mod random;
mod writes;

pub use embeddings::{DIMENSIONS, Embeddings};
pub use node_process::{Finished, NodeProcess, Report};
pub use random::Random;
pub use writes::Write;
