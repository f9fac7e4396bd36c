use std::time::Duration;

use crate::BenchError;

/// What Linux tells of a running process.
#[derive(Clone, Copy, Debug)]
pub struct Process(u32);

impl Process {
    /// The process with this id.
    #[must_use]
    pub const fn of(id: u32) -> Self {
        Self(id)
    }

    /// The time that it has spent on a processor: see proc_pid_stat(5).
    ///
    /// # Errors
    /// If there is no such process.
    pub fn cpu(self) -> Result<Duration, BenchError> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| -> Result<u64, BenchError> { Ok(fields.get(at).ok_or("no time")?.parse()?) };
        Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / TICKS))
    }

    /// A number of its status, such as `VmRSS:` in KB or `Threads:`: see proc_pid_status(5).
    ///
    /// # Errors
    /// If there is no such process or number.
    pub fn status(self, name: &str) -> Result<u64, BenchError> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
        Ok(line.split_whitespace().next().ok_or("no number")?.parse()?)
    }
}

/// A second, as Linux counts the time of processes.
const TICKS: u64 = 100;
