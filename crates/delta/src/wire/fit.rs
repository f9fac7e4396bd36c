//! Whether a message is one that a peer can take in.

use super::span::{ENTRY_BYTES, MAX_STATE_BYTES, TooManySites, needs_spans, reads_spans};
use crate::{End, Frame, Hello, ShardVersion, VersionVector};

impl Hello {
    /// Whether the node assembles Hellos, Ends and Durables that span frames.
    #[must_use]
    pub fn reads_spans(&self) -> bool {
        reads_spans(&self.codecs)
    }

    /// Whether only builds that assemble spanning messages take in this Hello.
    #[must_use]
    pub fn needs_spans(&self) -> bool {
        needs_spans(&self.version_vector, &self.frontier)
    }
}

impl End {
    /// Leaves out names that the message has no room for: they are for people.
    ///
    /// # Errors
    /// If the receiver does not assemble messages, and this one has to span frames.
    pub(crate) fn fit(&mut self, reads_spans: bool) -> Result<(), TooManySites> {
        if !reads_spans && needs_spans(&self.version_vector, &self.frontier) {
            return Err(TooManySites(self.version_vector.len()));
        }
        let (whole, most) = match reads_spans {
            true => (MAX_STATE_BYTES, ShardVersion::MAX_SITES),
            false => (Frame::MAX_BODY, VersionVector::MAX_SITES),
        };
        let entries = ENTRY_BYTES * (self.version_vector.len() + self.frontier.len());
        let mut room = whole.saturating_sub(entries + FIXED_BYTES);
        let mut kept = 0;
        self.names.retain(|_, name| {
            let bytes = NAME_BYTES + name.len();
            let fits = kept < most && bytes <= room;
            if fits {
                (kept, room) = (kept + 1, room - bytes);
            }
            fits
        });
        Ok(())
    }
}

/// The most bytes of a site and the head of its name.
const NAME_BYTES: usize = 13;
/// More than everything else in an End.
const FIXED_BYTES: usize = 1_024;
