//! The Node.js addon: converts, delegates, converts back. `bindings/js` checks every argument before it comes here.
//!
//! A failure reaches JavaScript as an error whose message is the stable code, a colon, a space and the text.

#![allow(clippy::needless_pass_by_value, reason = "JavaScript's strings and arrays come by value")]

mod cancellation;
mod columns;
mod command;
mod database;
mod delta;
mod failure;
mod parts;
mod sync;
mod transport;
mod work;
