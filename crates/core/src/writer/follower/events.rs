//! Waiting for a file to change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Why a thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// The bell was rung.
    Stopped,
    /// The file was written.
    Changed,
    /// The time is over.
    Nothing,
}

/// Tells when the log is written for the first time since it was armed: events cost the writer time, and it may be this one's
/// own. Where the system tells of no file, its size and date are looked at, 40 times a second.
pub(super) struct LogEvents {
    bell: Arc<Bell>,
    source: Source,
}

enum Source {
    #[cfg(target_os = "linux")]
    Told(linux::Events),
    Looked {
        log: PathBuf,
        seen: Option<(u64, SystemTime)>,
    },
}

impl LogEvents {
    /// Of the log at this path, which exists while its database is open for writing. `bell` ends all waiting.
    pub(super) fn of(log: PathBuf, bell: Arc<Bell>) -> Self {
        #[cfg(target_os = "linux")]
        if let Some(events) = linux::Events::of(&log) {
            return Self { bell, source: Source::Told(events) };
        }
        let seen = state_of(&log);
        Self { bell, source: Source::Looked { log, seen } }
    }

    /// From now on, the first write is told.
    pub(super) fn arm(&mut self) {
        #[cfg(target_os = "linux")]
        if let Source::Told(events) = &mut self.source {
            events.arm();
        }
    }

    /// Waits until the file is written, but no longer than this.
    pub(super) fn wait(&mut self, longest: Duration) -> Woken {
        match &mut self.source {
            #[cfg(target_os = "linux")]
            Source::Told(events) => events.wait(&self.bell, longest),
            Source::Looked { log, seen } => {
                let began = Instant::now();
                loop {
                    let left = longest.saturating_sub(began.elapsed());
                    if left.is_zero() {
                        return Woken::Nothing;
                    }
                    if self.bell.wait(left.min(BETWEEN_LOOKS)) == Woken::Stopped {
                        return Woken::Stopped;
                    }
                    let found = state_of(log);
                    if *seen != found {
                        *seen = found;
                        return Woken::Changed;
                    }
                }
            }
        }
    }

    /// Waits for as long as this, whatever is written.
    pub(super) fn rest(&self, time: Duration) -> Woken {
        self.bell.wait(time)
    }
}

fn state_of(log: &Path) -> Option<(u64, SystemTime)> {
    let found = fs::metadata(log).ok()?;
    Some((found.len(), found.modified().ok()?))
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(25);

#[cfg(target_os = "linux")]
pub(super) use linux::Bell;
#[cfg(not(target_os = "linux"))]
pub(super) use portable::Bell;

#[cfg(target_os = "linux")]
mod linux {
    //! By inotify(7). The bell is an eventfd(2), which can be waited for beside it.

    use std::io;
    use std::os::fd::{AsFd, OwnedFd};
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    use rustix::io::{read, write};

    use super::{BETWEEN_LOOKS, Woken};

    /// Ends the waiting of a thread, for ever.
    pub(in super::super) struct Bell(OwnedFd);

    impl Bell {
        pub(in super::super) fn new() -> io::Result<Self> {
            Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
        }

        pub(in super::super) fn ring(&self) {
            // It cannot be full: nobody rings as often as that.
            let _ = write(&self.0, &1u64.to_ne_bytes());
        }

        pub(super) fn wait(&self, longest: Duration) -> Woken {
            wait(self, None, longest)
        }
    }

    pub(super) struct Events {
        queue: OwnedFd,
        log: PathBuf,
        armed: bool,
    }

    impl Events {
        /// `None` if the system has no more of them for this user.
        pub(super) fn of(log: &Path) -> Option<Self> {
            let queue = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
            let mut events = Self { queue, log: log.to_owned(), armed: false };
            events.arm();
            (events.armed || !log.exists()).then_some(events)
        }

        pub(super) fn arm(&mut self) {
            // That it was removed is told as a change of its attributes.
            let once = WatchFlags::MODIFY | WatchFlags::ATTRIB | WatchFlags::ONESHOT;
            self.armed = self.armed || add_watch(&self.queue, &self.log, once).is_ok();
        }

        pub(super) fn wait(&mut self, bell: &Bell, longest: Duration) -> Woken {
            if !self.armed {
                // There is no log yet, or somebody has moved it away.
                return bell.wait(longest.min(BETWEEN_LOOKS));
            }
            let woken = wait(bell, Some(&self.queue), longest);
            if woken == Woken::Changed {
                let mut events = [0; 1024];
                // What they say is known: there is one watch, of one kind, and it is gone now.
                while read(&self.queue, &mut events).is_ok_and(|read| read > 0) {}
                self.armed = false;
            }
            woken
        }
    }

    fn wait(bell: &Bell, events: Option<&OwnedFd>, longest: Duration) -> Woken {
        let mut both = vec![PollFd::from_borrowed_fd(bell.0.as_fd(), PollFlags::IN)];
        both.extend(events.map(|events| PollFd::from_borrowed_fd(events.as_fd(), PollFlags::IN)));
        let time = Timespec::try_from(longest).ok();
        // Interrupted by a signal, it looks again early.
        let ready = poll(&mut both, time.as_ref()).unwrap_or(0) > 0;
        let is_set = |at: usize| both.get(at).is_some_and(|fd| !fd.revents().is_empty());
        match ready {
            true if is_set(0) => Woken::Stopped,
            true => Woken::Changed,
            false => Woken::Nothing,
        }
    }
}

#[cfg(any(not(target_os = "linux"), test))]
#[cfg_attr(target_os = "linux", allow(dead_code, reason = "only its tests run where there is a better one"))]
mod portable {
    use std::io;
    use std::sync::{Condvar, Mutex, PoisonError};
    use std::time::Duration;

    use super::Woken;

    /// Ends the waiting of a thread, for ever.
    pub(in super::super) struct Bell {
        rung: Mutex<bool>,
        rings: Condvar,
    }

    impl Bell {
        pub(in super::super) fn new() -> io::Result<Self> {
            Ok(Self { rung: Mutex::new(false), rings: Condvar::new() })
        }

        pub(in super::super) fn ring(&self) {
            *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.rings.notify_all();
        }

        pub(super) fn wait(&self, longest: Duration) -> Woken {
            let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = self.rings.wait_timeout_while(rung, longest, |rung| !*rung);
            let (rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if *rung { Woken::Stopped } else { Woken::Nothing }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn told(log: &Path) -> LogEvents {
        LogEvents::of(log.to_owned(), Arc::new(Bell::new().unwrap()))
    }

    fn looked(log: &Path) -> LogEvents {
        let source = Source::Looked { log: log.to_owned(), seen: state_of(log) };
        LogEvents { bell: Arc::new(Bell::new().unwrap()), source }
    }

    #[test]
    fn a_write_and_the_bell_end_the_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.db-wal");
        fs::write(&log, "x").unwrap();
        for begin in [told, looked] {
            let mut events = begin(&log);
            assert_eq!(events.wait(Duration::from_millis(1)), Woken::Nothing);
            let mut file = fs::File::options().append(true).open(&log).unwrap();
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| events.wait(LONG));
                std::thread::sleep(Duration::from_millis(10));
                std::io::Write::write_all(&mut file, b"y").unwrap();
                assert_eq!(waiting.join().unwrap(), Woken::Changed);
            });
            events.arm();
            assert_eq!(events.wait(Duration::from_millis(1)), Woken::Nothing);
            events.bell.ring();
            assert_eq!((events.wait(LONG), events.rest(LONG)), (Woken::Stopped, Woken::Stopped));
        }
    }

    #[test]
    fn the_bell_of_all_systems_rings_once_for_all() {
        let bell = portable::Bell::new().unwrap();
        assert_eq!(bell.wait(Duration::from_millis(1)), Woken::Nothing);
        bell.ring();
        assert_eq!((bell.wait(LONG), bell.wait(LONG)), (Woken::Stopped, Woken::Stopped));
    }
}
