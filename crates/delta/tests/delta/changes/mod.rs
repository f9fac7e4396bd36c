//! Changes outside of a database: laws that hold for every input, and bytes that every build has to agree on.

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
