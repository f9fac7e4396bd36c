//! Endpoints over real sockets on loopback addresses, through the public API.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

mod early_data;
mod fallback;
mod fallback_hostile;
mod fallback_proofs;
mod identity;
mod limits;
mod messages;
mod messages_answers;
mod messages_hostile;
mod pool;
mod streams;
mod trust;
mod trust_authority;
mod trust_secret;
