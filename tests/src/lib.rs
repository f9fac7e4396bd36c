//! What the whole-system tests share: real embeddings, nodes as processes of their own, and the run that takes long.

mod embeddings;
mod node_process;
mod random;
pub mod steady;
mod writes;

pub use embeddings::{DIMENSIONS, Embeddings};
pub use node_process::{Finished, NodeProcess, Report};
pub use random::Random;
pub use writes::Write;
