//! What a trusted peer can cause that follows the protocol no further than it likes.

mod arriving;
mod contexts;
mod peer;
mod reasons;
mod restarts;
mod shards;
mod unapplied;
mod unread;
