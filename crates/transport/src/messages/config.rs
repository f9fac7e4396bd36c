use std::time::Duration;

/// The settings of a messenger. The default works as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessengerConfig {
    /// How long a stream may be idle before it is closed. Default: 10 s.
    pub idle_after: Duration,
}

impl Default for MessengerConfig {
    fn default() -> Self {
        Self { idle_after: Duration::from_secs(10) }
    }
}
