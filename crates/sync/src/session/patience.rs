use std::time::Duration;

use tokio::time::Instant;

use crate::limits::bounds::WRITE_PATIENCE;
use crate::limits::send_budget::Progress;

/// Notices a peer that neither sends nor reads.
///
/// Nobody is woken when something was written: whoever looks too early looks again.
pub(crate) struct Patience {
    idle_timeout: Duration,
    heard: Instant,
}

/// What a session waits for.
#[derive(Clone, Copy)]
pub(crate) struct Waits {
    /// It is the peer's turn, once it has read what waits for the stream.
    pub(crate) for_peer: bool,
    /// How many times the idle timeout the peer may be silent.
    pub(crate) patience: u32,
}

impl Patience {
    pub(crate) const fn new(idle_timeout: Duration, now: Instant) -> Self {
        Self { idle_timeout, heard: now }
    }

    /// The peer has said something, or this node's storage has.
    pub(crate) const fn note_heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// When [`Self::verdict`] has to be asked for; `None` if not before the session takes another step.
    pub(crate) fn next_look(&self, waits: Waits, progress: Progress, now: Instant) -> Option<Instant> {
        if progress.is_writing {
            // What is written in between makes it the peer's turn.
            return Some(self.write_deadline(waits, progress).min(now + self.idle_timeout));
        }
        waits.for_peer.then(|| self.deadline(waits, progress))
    }

    /// Why the peer is given up, if it is.
    pub(crate) fn verdict(&self, waits: Waits, progress: Progress, now: Instant) -> Option<&'static str> {
        if progress.is_writing {
            let is_late = now >= self.write_deadline(waits, progress);
            return is_late.then_some("the peer read nothing for too long");
        }
        let is_late = waits.for_peer && now >= self.deadline(waits, progress);
        is_late.then_some("the peer sent nothing for too long")
    }

    fn deadline(&self, waits: Waits, progress: Progress) -> Instant {
        self.heard.max(progress.last) + self.idle_timeout * waits.patience
    }

    // Whatever the peer says meanwhile: it has to read as well.
    fn write_deadline(&self, waits: Waits, progress: Progress) -> Instant {
        progress.last + self.idle_timeout * waits.patience.max(WRITE_PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(10);
    const FOR_PEER: Waits = Waits { for_peer: true, patience: 1 };

    /// When the peer is given up, if the session looks only when told to, and why.
    fn given_up(
        patience: &Patience,
        waits: Waits,
        progress: impl Fn(Instant) -> Progress,
        mut now: Instant,
    ) -> Option<(Instant, &'static str)> {
        loop {
            now = patience.next_look(waits, progress(now), now)?;
            if let Some(reason) = patience.verdict(waits, progress(now), now) {
                return Some((now, reason));
            }
        }
    }

    #[test]
    fn a_silent_peer_has_the_idle_timeout() {
        let began = Instant::now();
        let mut patience = Patience::new(IDLE, began);
        let idle = |_| Progress { last: began, is_writing: false };
        let reason = "the peer sent nothing for too long";
        assert_eq!(given_up(&patience, FOR_PEER, idle, began), Some((began + IDLE, reason)));
        patience.note_heard(began + IDLE / 2);
        assert_eq!(given_up(&patience, FOR_PEER, idle, began), Some((began + IDLE / 2 + IDLE, reason)));
        let own_turn = Waits { for_peer: false, ..FOR_PEER };
        assert_eq!(given_up(&patience, own_turn, idle, began), None);
    }

    #[test]
    fn a_peer_that_reads_nothing_has_longer_whatever_it_says() {
        let began = Instant::now();
        let mut patience = Patience::new(IDLE, began);
        patience.note_heard(began + IDLE * 3);
        for for_peer in [false, true] {
            let stuck = |_| Progress { last: began, is_writing: true };
            let found = given_up(&patience, Waits { for_peer, ..FOR_PEER }, stuck, began);
            assert_eq!(found, Some((began + IDLE * WRITE_PATIENCE, "the peer read nothing for too long")));
        }
    }

    #[test]
    fn it_is_the_peers_turn_from_the_moment_when_all_was_written() {
        let began = Instant::now();
        let patience = Patience::new(IDLE, began);
        let written = began + IDLE / 2;
        let progress =
            |now| Progress { last: if now < written { began } else { written }, is_writing: now < written };
        let found = given_up(&patience, FOR_PEER, progress, began);
        assert_eq!(found, Some((written + IDLE, "the peer sent nothing for too long")));
    }
}
