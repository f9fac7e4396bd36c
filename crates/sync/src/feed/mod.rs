//! What is new in a shard, read once for all of its live sessions.

mod feeds;
mod seat;
mod shard_feed;
mod statistics;

pub(crate) use feeds::Feeds;
pub(crate) use seat::Seat;
pub(crate) use shard_feed::Place;
pub use statistics::FeedStatistics;
