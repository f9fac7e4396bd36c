//! Finds the changes that no other supersedes, and the winner under a strategy.

mod deltas;
mod heads;
mod merge;
mod newest;
mod operations;
mod resolve;
mod tie_break;

pub use deltas::resolve_deltas;
pub(crate) use heads::Heads;
pub use merge::merge;
pub use newest::newest;
pub use operations::{Resolution, resolve_operations};
pub use resolve::{MERGED, Verdict, resolve};
