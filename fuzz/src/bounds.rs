//! What one input may take: memory, and time of the processor. The time on the clock says more about the machine.

use std::cell::Cell;
use std::time::Duration;

use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, Timespec, clock_gettime};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Runs a decoder over so many bytes, which may take `multiple` times as much memory, and a constant.
pub(crate) fn in_memory<T>(bytes: usize, multiple: usize, decode: impl FnOnce() -> T) -> T {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let decoded = decode();
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    let allowed = FIXED + multiple * bytes;
    assert!(taken <= allowed, "{bytes} bytes made the decoder take {taken}, and {allowed} are allowed");
    decoded
}

/// Runs a target over one input.
pub(crate) fn in_time(run: impl FnOnce()) {
    APART.set(Duration::ZERO);
    let before = processor_time();
    run();
    let taken = processor_time().saturating_sub(before).saturating_sub(APART.get());
    assert!(taken < SLOW, "the input took {taken:?}: whatever anybody sends has to be done in {SLOW:?}");
}

/// Does what is the target's own work, and not that of the input.
pub(crate) fn apart<T>(work: impl FnOnce() -> T) -> T {
    let before = processor_time();
    let done = work();
    APART.set(APART.get() + processor_time().saturating_sub(before));
    done
}

thread_local! {
    static APART: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn processor_time() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(tv_sec.unsigned_abs(), u32::try_from(tv_nsec).unwrap_or_default())
}

/// A frame may announce 1 MiB, for which a buffer is made.
const FIXED: usize = 3 << 20;
/// A slow input is a finding.
const SLOW: Duration = Duration::from_secs(1);
