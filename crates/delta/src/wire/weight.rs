//! About how many bytes a message takes, encoded or in memory.

use super::span::ENTRY_BYTES;
use crate::{Batch, HeldAnswer, HeldMessage, Message, RangeRows, RepairMessage, VectorRow};

impl Message {
    /// About how many bytes the message takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        FIXED
            + match self {
                Self::Hello(hello) => ENTRY_BYTES * (hello.version_vector.len() + hello.frontier.len()),
                Self::End(end) => {
                    ENTRY_BYTES * (end.version_vector.len() + end.frontier.len() + end.names.len())
                }
                Self::Durable(version_vector) => ENTRY_BYTES * version_vector.len(),
                Self::Since(since) => since.message.weight(),
                Self::Held(held) => held.shown.iter().map(|id| id.len()).sum(),
                Self::Reject(reject) => reject.reason.len(),
                Self::Repair(message) => weight_of_repair(message),
                Self::HeldRows(message) => weight_of_held(message),
                Self::Batch(batch) => batch.weight(),
                Self::Open(_) | Self::Ack(_) | Self::Done | Self::TellAll => 0,
            }
    }

    /// The rows that the message carries.
    #[must_use]
    pub fn rows(&self) -> &[VectorRow] {
        match self {
            Self::Batch(batch) => &batch.rows,
            Self::Repair(message) => match &**message {
                RepairMessage::Rows(RangeRows { rows, .. }) => &rows.rows,
                _ => &[],
            },
            Self::HeldRows(message) => match &**message {
                HeldMessage::Answer(HeldAnswer { rows, .. }) => &rows.rows,
                _ => &[],
            },
            _ => &[],
        }
    }
}

impl Batch {
    /// About how many bytes the batch takes, the names of sites included.
    #[must_use]
    pub fn weight(&self) -> usize {
        let rows: usize = self.rows.iter().map(VectorRow::weight).sum();
        rows + ENTRY_BYTES * self.frontier.len() + NAME * self.names.len()
    }
}

fn weight_of_repair(message: &RepairMessage) -> usize {
    match message {
        RepairMessage::Digests(digests) => digests.len() * FIXED,
        RepairMessage::Counts(counts) => counts.len() * ENTRY_BYTES,
        RepairMessage::Rows(RangeRows { rows, .. }) => rows.weight(),
        RepairMessage::State(summary) => ENTRY_BYTES * summary.version_vector.len(),
        RepairMessage::Wanted => 0,
    }
}

fn weight_of_held(message: &HeldMessage) -> usize {
    match message {
        HeldMessage::Ask(ids) => ids.iter().map(|id| id.len()).sum(),
        HeldMessage::Answer(HeldAnswer { rows, absent, .. }) => {
            rows.weight() + absent.iter().map(|id| id.len()).sum::<usize>()
        }
        HeldMessage::Unsent(rows) => {
            rows.iter().map(|row| row.id.len() + ENTRY_BYTES * row.sites.len()).sum()
        }
    }
}

/// The parts of a message whose size does not vary much.
const FIXED: usize = 512;

/// A name of a site, and what keeps it in memory.
const NAME: usize = 128;
