//! The Node.js addon: converts, delegates, converts back. `bindings/js` checks every argument before it comes here.
//!
//! A failure reaches JavaScript as an error whose message is the stable code, a colon, a space and the text.

#![allow(clippy::needless_pass_by_value, reason = "JavaScript's strings and arrays come by value")]

mod cancellation;
mod changelog;
mod columns;
mod command;
mod conflict;
mod coordinator;
mod database;
mod delta;
mod events;
mod failure;
mod iteration;
mod message;
mod query;
mod session;
mod sync;
mod sync_options;
mod sync_outcome;
mod transport;
mod work;
