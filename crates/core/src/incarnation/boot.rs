//! The current boot of the computer.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The id of the current boot. Empty if the system has none.
#[cfg(target_os = "linux")]
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
pub(crate) const fn boot_id() -> String {
    String::new()
}

/// The moment of the boot by the wall clock of now, in microseconds since 1970: wall time less the time since the boot,
/// suspension included. It changes only when the wall clock is set, and when the machine with its memory is resumed from
/// a snapshot. `None` if the system cannot tell.
#[cfg(target_os = "linux")]
pub(crate) fn boot_moment() -> Option<i64> {
    use std::time::{SystemTime, UNIX_EPOCH};

    use rustix::time::{ClockId, clock_gettime};

    let up = clock_gettime(ClockId::Boottime);
    let up = Duration::new(u64::try_from(up.tv_sec).ok()?, u32::try_from(up.tv_nsec).ok()?);
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(wall.as_micros()).ok()?.checked_sub(i64::try_from(up.as_micros()).ok()?)
}

#[cfg(not(target_os = "linux"))]
pub(crate) const fn boot_moment() -> Option<i64> {
    None
}

/// The moment of the boot as the current life knows it, for the writer and for readers.
#[derive(Debug, Default)]
pub(crate) struct BootWatch(Option<AtomicI64>);

impl BootWatch {
    /// Watches the system's clock from now on.
    pub(crate) fn start() -> Self {
        Self(boot_moment().map(AtomicI64::new))
    }

    pub(crate) fn moment(&self) -> Option<i64> {
        self.0.as_ref().map(|moment| moment.load(Ordering::Relaxed))
    }

    /// Whether this process may have been resumed from a snapshot of the machine since the life began: the wall clock
    /// has jumped, which it also does when it is corrected by as much.
    pub(crate) fn has_moved(&self) -> bool {
        self.0.is_some() && may_have_resumed(self.moment(), boot_moment())
    }

    /// As [`BootWatch::has_moved`], since a life that began at this moment of the boot.
    pub(crate) fn has_moved_since(&self, moment: Option<i64>) -> bool {
        self.0.is_some() && may_have_resumed(moment, boot_moment())
    }

    /// The life that begins now knows of the move.
    pub(crate) fn accept(&self) {
        if let (Some(moment), Some(now)) = (&self.0, boot_moment()) {
            moment.store(now, Ordering::Relaxed);
        }
    }
}

/// Whether the two moments are so far apart that the machine may have been resumed from a snapshot in between. A clock
/// that is corrected by as much costs a new site.
pub(crate) fn may_have_resumed(then: Option<i64>, now: Option<i64>) -> bool {
    match (then, now) {
        (Some(then), Some(now)) => now.abs_diff(then) > TOLERANCE.as_micros() as u64,
        _ => false,
    }
}

/// More than time servers correct at a time in normal operation.
const TOLERANCE: Duration = Duration::from_secs(5);
