//! Changes outside of a database: properties for all inputs, and bytes that must be the same in every build.

mod bytes;
mod deltas;
mod heads;
mod hostile;
mod merging;
mod model;
mod operations;
mod rows;
mod stored;
mod vectors;
mod versions;
