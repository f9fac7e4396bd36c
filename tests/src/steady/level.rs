use std::fmt;
use std::io;

/// Whether a process keeps its size: a straight line through the second half of its samples, by least squares.
///
/// It is level where the line rises by no more than the tolerance and three times the samples' typical distance from it:
/// a process breathes as logs are written back and buffers come and go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// By how many bytes the line rises from the first to the last sample of the second half.
    pub growth: f64,
    /// The standard deviation of those samples from the line, in bytes.
    pub noise: f64,
    /// By how much it may rise beyond the noise, in bytes.
    pub tolerance: f64,
}

impl Level {
    /// Judges samples that were taken at equal intervals.
    #[must_use]
    pub fn of(samples: &[u64], tolerance: u64) -> Self {
        let late: Vec<f64> = samples[samples.len() / 2..].iter().map(|&bytes| bytes as f64).collect();
        let count = late.len().max(1) as f64;
        let (middle, mean) = ((count - 1.0) / 2.0, late.iter().sum::<f64>() / count);
        let offsets = || late.iter().enumerate().map(|(index, bytes)| (index as f64 - middle, bytes - mean));
        let spread: f64 = offsets().map(|(x, _)| x * x).sum();
        let slope = if spread > 0.0 { offsets().map(|(x, y)| x * y).sum::<f64>() / spread } else { 0.0 };
        let residue: f64 = offsets().map(|(x, y)| (y - slope * x).powi(2)).sum();
        Self { growth: slope * (count - 1.0), noise: (residue / count).sqrt(), tolerance: tolerance as f64 }
    }

    /// The verdict.
    #[must_use]
    pub fn is_level(&self) -> bool {
        self.growth <= self.tolerance + 3.0 * self.noise
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [growth, noise, tolerance] = [self.growth, self.noise, self.tolerance].map(|bytes| bytes / 1e6);
        let verdict = if self.is_level() { "level" } else { "GROWS" };
        write!(
            f,
            "{verdict}: {growth:+.2} MB over the second half, noise {noise:.2} MB, tolerance {tolerance:.2} MB"
        )
    }
}

/// This process's resident size in bytes. Linux only.
///
/// # Errors
/// Where `/proc/self/status` does not say.
pub fn resident() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("no VmRSS in /proc/self/status"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    #[test]
    fn what_rises_only_at_first_is_level() {
        let samples: Vec<u64> = (0..100).map(|n: u64| 40 * MB + n.min(50) * MB + n % 7 * 20_000).collect();
        let level = Level::of(&samples, MB);
        assert!(level.is_level(), "{level}");
    }

    #[test]
    fn what_goes_on_rising_is_not() {
        let samples: Vec<u64> = (0..100).map(|n| 40 * MB + n * 100_000 + n % 7 * 20_000).collect();
        let level = Level::of(&samples, MB);
        assert!(!level.is_level() && (level.growth / 4.9e6 - 1.0).abs() < 0.05, "{level}");
    }

    #[test]
    fn what_shrinks_or_was_hardly_looked_at_is_level() {
        assert!(Level::of(&[9 * MB, 8 * MB, 7 * MB, MB], MB).is_level());
        assert!(Level::of(&[MB], 0).is_level() && Level::of(&[], 0).is_level());
    }
}
