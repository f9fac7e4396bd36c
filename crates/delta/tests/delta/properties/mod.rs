//! Properties that hold for all inputs. A case is a seed; proptest prints the one that fails.

mod bytes;
mod clock;
mod join;
mod resolution;
mod shard_version;
mod version_vector;
mod view;
pub(crate) mod wire;
