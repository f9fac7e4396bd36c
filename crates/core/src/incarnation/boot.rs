//! The current boot of the computer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
