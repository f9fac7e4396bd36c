//! What peers may cause: every limit of this crate, and what keeps count of them. `docs/limits.md` lists them, with those
//! of the crates below.

pub(crate) mod arrivals;
pub(crate) mod bounds;
pub(crate) mod peer_limits;
mod rates;
pub(crate) mod receive_budget;
pub(crate) mod send_budget;
