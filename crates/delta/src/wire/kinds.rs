//! The kinds of messages that have a name here, and how large a message of each kind may be.

use super::batch::Batch;
use super::held_rows::HeldMessage;
use super::repair::RepairMessage;
use super::span::MAX_STATE_BYTES;
use crate::{DeltaError, Frame};

pub(super) fn check_size(kind: u8, what: &'static str, size: usize) -> Result<(), DeltaError> {
    check_limit(what, size, most_bytes(kind).unwrap_or(Frame::MAX_BODY))
}

/// The most bytes of the bodies of a message that may span frames; `None` for the other kinds.
pub(super) const fn most_bytes(kind: u8) -> Option<usize> {
    match kind {
        BATCH | RepairMessage::ROWS | HeldMessage::ANSWER => Some(Batch::MAX_BYTES + Frame::MAX_BYTES),
        HELLO | END | DURABLE | SINCE | RepairMessage::STATE => Some(MAX_STATE_BYTES),
        _ => None,
    }
}

pub(super) fn check_limit(what: &'static str, size: usize, limit: usize) -> Result<(), DeltaError> {
    if size <= limit {
        return Ok(());
    }
    Err(DeltaError::Limit { what, size: size as u64, limit: limit as u64 })
}

pub(super) const HELLO: u8 = 1;
pub(super) const BATCH: u8 = 2;
pub(super) const END: u8 = 3;
pub(super) const DURABLE: u8 = 5;
pub(super) const REJECT: u8 = 8;
pub(super) const OPEN: u8 = 9;
pub(super) const SINCE: u8 = 32;
pub(super) const TELL_ALL: u8 = 33;
