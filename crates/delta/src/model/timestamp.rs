use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::DeltaError;

/// The greatest integer that JavaScript represents exactly: the limit of timestamps, sequence numbers and change ids.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// How far a change's timestamp may be ahead of a node's wall clock before the change is held back.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Whole microseconds since the Unix epoch, at most [`MAX_SAFE_INTEGER`]: the value of a hybrid logical clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Timestamp(u64);

impl Timestamp {
    /// Microseconds since the Unix epoch; values above the limit are clamped.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(if micros > MAX_SAFE_INTEGER { MAX_SAFE_INTEGER } else { micros })
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The next microsecond.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::from_micros(self.0 + 1)
    }

    /// This time plus `span`.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How far this time is after `other`; zero if it is not.
    #[must_use]
    pub const fn since(self, other: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(other.0))
    }

    /// The timestamp of a local write: the wall clock, or one microsecond after the later of this node's last timestamp
    /// and the newest sibling that the write supersedes, if the wall clock is not past them. This is a hybrid logical
    /// clock (Kulkarni et al., 2014) that received timestamps do not advance.
    #[must_use]
    pub fn of_write(wall: Self, last: Self, newest_superseded: Option<Self>) -> Self {
        wall.max(last.next()).max(newest_superseded.map_or(Self(0), Self::next))
    }
}

impl TryFrom<u64> for Timestamp {
    type Error = DeltaError;

    fn try_from(micros: u64) -> Result<Self, DeltaError> {
        if micros > MAX_SAFE_INTEGER {
            return Err(DeltaError::Number { what: "timestamp", value: micros });
        }
        Ok(Self(micros))
    }
}

impl From<Timestamp> for u64 {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}µs", self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_stamped_after_everything_it_supersedes() {
        let at = Timestamp::from_micros;
        assert_eq!(Timestamp::of_write(at(100), at(7), None), at(100));
        assert_eq!(Timestamp::of_write(at(100), at(100), None), at(101));
        assert_eq!(Timestamp::of_write(at(100), at(7), Some(at(500))), at(501));
    }

    #[test]
    fn the_limit_is_the_greatest_integer_exact_in_javascript() {
        assert!(Timestamp::try_from(MAX_SAFE_INTEGER).is_ok());
        assert!(Timestamp::try_from(MAX_SAFE_INTEGER + 1).is_err());
        assert_eq!(Timestamp::from_micros(u64::MAX).next().as_micros(), MAX_SAFE_INTEGER);
    }
}
