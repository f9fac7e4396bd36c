use std::time::Duration;

use rustls::pki_types::ServerName;

use crate::TransportError;

/// The limits and timings of an endpoint. The default works untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointConfig {
    /// The TLS server name to send, a DNS name or an IP address. Peers are known by fingerprint, so that it decides
    /// nothing. Default: `localhost`.
    pub server_name: String,
    /// How long a whole connection attempt may take, name look-up included. Also how long a handshake with an
    /// accepted peer, a ping, and the wait for a free stream may take. More than 0, at most a day. Default: 5 s.
    pub connect_timeout: Duration,
    /// After how much silence a connection counts as dead; a third of it is the keep-alive interval. The smaller
    /// value of both sides counts. From 1 s to a day. Default: 30 s.
    pub idle_timeout: Duration,
    /// How many streams a peer may have open on one connection to this node. 1 to 65,536. Default: 100.
    pub max_concurrent_streams: u32,
    /// How many connections the pool holds, and how many more are accepted. 1 to 65,536. Default: 100.
    pub max_connections: usize,
    /// Whether to use QUIC, over UDP. Without it only the fallback is left. Default: true.
    pub quic: bool,
    /// Whether to answer over TCP too, and to call over it where UDP does not get through. Default: true.
    pub fallback: bool,
    /// Whether an opening may travel as 0-RTT data, and is accepted as such. Default: true.
    pub enable_0rtt: bool,
}

impl EndpointConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` names the first value that is out of range, and its range; `ERR_CONFIG` with
    /// neither QUIC nor its fallback.
    pub fn validate(&self) -> Result<(), TransportError> {
        if ServerName::try_from(self.server_name.as_str()).is_err() {
            return Err(TransportError::argument(
                "serverName",
                &self.server_name,
                "give a DNS name or an IP address",
            ));
        }
        if self.connect_timeout.is_zero() || self.connect_timeout > DAY {
            return Err(duration_error("connectTimeoutMs", self.connect_timeout, 1));
        }
        if self.idle_timeout < Duration::from_secs(1) || self.idle_timeout > DAY {
            return Err(duration_error("maxIdleTimeoutMs", self.idle_timeout, 1000));
        }
        if !(1..=MAX).contains(&self.max_concurrent_streams) {
            return Err(count_error("maxConcurrentStreams", self.max_concurrent_streams as usize));
        }
        if !(1..=MAX as usize).contains(&self.max_connections) {
            return Err(count_error("maxConnections", self.max_connections));
        }
        if !self.quic && !self.fallback {
            let reason = "AGENTIC_FLOW_ENABLE_QUIC or enableQuic, and enableFallback: enable one of them";
            return Err(TransportError::config(&"neither QUIC nor its fallback over TCP is left", &reason));
        }
        Ok(())
    }
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            server_name: "localhost".to_owned(),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            max_concurrent_streams: 100,
            max_connections: 100,
            quic: true,
            fallback: true,
            enable_0rtt: true,
        }
    }
}

fn duration_error(name: &'static str, value: Duration, min: u32) -> TransportError {
    TransportError::argument(name, &value.as_millis(), format!("give {min} to {}", DAY.as_millis()))
}

fn count_error(name: &'static str, value: usize) -> TransportError {
    TransportError::argument(name, &value, format!("give 1 to {MAX}"))
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const MAX: u32 = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_each_value_out_of_range_is_named() {
        let default = EndpointConfig::default;
        default().validate().unwrap();
        let refused = [
            ("serverName", EndpointConfig { server_name: "a b".into(), ..default() }),
            ("connectTimeoutMs", EndpointConfig { connect_timeout: Duration::ZERO, ..default() }),
            ("connectTimeoutMs", EndpointConfig { connect_timeout: Duration::MAX, ..default() }),
            ("maxIdleTimeoutMs", EndpointConfig { idle_timeout: Duration::from_millis(999), ..default() }),
            ("maxIdleTimeoutMs", EndpointConfig { idle_timeout: Duration::MAX, ..default() }),
            ("maxConcurrentStreams", EndpointConfig { max_concurrent_streams: 0, ..default() }),
            ("maxConnections", EndpointConfig { max_connections: 0, ..default() }),
            ("maxConnections", EndpointConfig { max_connections: usize::MAX, ..default() }),
        ];
        for (name, config) in refused {
            let error = config.validate().unwrap_err();
            assert_eq!(error.code(), "ERR_ARGUMENT");
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
}
