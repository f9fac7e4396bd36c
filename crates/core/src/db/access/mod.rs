//! How a database is reached: by its writer and its readers, or by its readers alone.

pub(crate) mod read_only;

use std::sync::Arc;

use crate::db::access::read_only::ReadOnly;
use crate::storage::reader_pool::ReaderPool;
use crate::writer::follower::Following;
use crate::writer::queue::WriteQueue;

/// What carries out the calls of a database.
pub(crate) enum Access {
    /// In memory, where reads are work for the writer too.
    Memory(WriteQueue),
    /// A file.
    File(WriteQueue, Arc<ReaderPool>),
    /// A file that may only be read.
    ReadOnly(ReadOnly),
}

impl Access {
    /// `None` in memory.
    pub(crate) const fn readers(&self) -> Option<&Arc<ReaderPool>> {
        match self {
            Self::Memory(_) => None,
            Self::File(_, readers) | Self::ReadOnly(ReadOnly { readers, .. }) => Some(readers),
        }
    }

    /// Ends what publishes the commits of others to a file that is only read.
    pub(crate) fn stop_following(&self) {
        if let Self::ReadOnly(file) = self {
            file.follower.close();
        }
    }

    /// Publishes the commits of others to a file that is only read, and cuts off readers that keep its log too long, while the
    /// result lives. For all others that is done anyway.
    pub(crate) fn follow(&self) -> Option<Arc<Following>> {
        let Self::ReadOnly(file) = self else { return None };
        // On failure nobody is told, and each read still finds what there is.
        file.follower.follow().ok()
    }

    /// Publishes what others have committed until now to a file that is only read.
    pub(crate) fn look(&self) {
        if let Self::ReadOnly(file) = self {
            // On failure it stays as it was last read.
            let _ = file.follower.look();
        }
    }

    /// `None` for reading only.
    pub(crate) const fn writer(&self) -> Option<&WriteQueue> {
        match self {
            Self::Memory(queue) | Self::File(queue, _) => Some(queue),
            Self::ReadOnly(_) => None,
        }
    }
}
