//! What a process takes, as Linux says it.

use std::fs;

/// Of one process, at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    /// Resident memory, in bytes.
    pub(crate) resident: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    /// Time on a processor since its start, in hundredths of a second.
    pub(crate) worked: u64,
}

impl Size {
    /// Of the process with this id.
    pub(crate) fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        // The name of the program, in parentheses, may hold spaces.
        let times: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        Self {
            resident: field(&status, "VmRSS:") << 10,
            threads: field(&status, "Threads:"),
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count() as u64,
            worked: times[11..13].iter().map(|time| time.parse::<u64>().unwrap()).sum(),
        }
    }

    /// The greater of each.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            resident: self.resident.max(other.resident),
            threads: self.threads.max(other.threads),
            descriptors: self.descriptors.max(other.descriptors),
            worked: self.worked.max(other.worked),
        }
    }
}

/// The most resident memory that a process has ever had, in bytes.
pub(crate) fn high_water(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    field(&status, "VmHWM:") << 10
}

/// What a process has open, in words.
pub(crate) fn open_files(process: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.display().to_string()))
        .collect();
    names.sort_unstable();
    names
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

/// In MiB, for people.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
