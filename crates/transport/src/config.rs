use std::time::Duration;

use rustls::pki_types::ServerName;

use crate::TransportError;

/// The limits and timings of an endpoint. The default works as it is.
///
/// Set the fields directly or by the methods of the same names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointConfig {
    /// The TLS server name to send: a DNS name or an IP address. Peers are identified by fingerprint, so it has no
    /// influence on trust. Default: `localhost`.
    pub server_name: String,
    /// The limit for a whole connection attempt, name lookup included. Also limits the handshake with an accepted peer,
    /// a ping, and the wait for a free stream. More than 0, at most a day. Default: 5 s.
    pub connect_timeout: Duration,
    /// The silence after which a connection counts as dead. A third of it is the keep-alive interval. The smaller value
    /// of the two sides applies. From 1 s to a day. Default: 30 s.
    pub idle_timeout: Duration,
    /// The number of streams that a peer may have open on one connection to this node. 1 to 65,536. Default: 100.
    pub max_concurrent_streams: u32,
    /// The number of connections that the pool holds, and of those that are accepted in addition. 1 to 65,536. Default:
    /// 100.
    pub max_connections: usize,
    /// Whether to use QUIC, over UDP. Without it only the TCP fallback remains. Default: true.
    pub quic: bool,
    /// Whether to accept connections over TCP too, and to connect over TCP if UDP does not get through. Default: true.
    pub fallback: bool,
    /// Whether an opening may be sent, and is accepted, as 0-RTT data. Default: true.
    pub enable_0rtt: bool,
}

impl EndpointConfig {
    /// Sets the TLS server name to send. Default: `localhost`.
    pub fn server_name(&mut self, server_name: impl Into<String>) -> &mut Self {
        self.server_name = server_name.into();
        self
    }

    /// Sets the limit for a whole connection attempt. Default: 5 s.
    pub const fn connect_timeout(&mut self, connect_timeout: Duration) -> &mut Self {
        self.connect_timeout = connect_timeout;
        self
    }

    /// Sets the silence after which a connection counts as dead. Default: 30 s.
    pub const fn idle_timeout(&mut self, idle_timeout: Duration) -> &mut Self {
        self.idle_timeout = idle_timeout;
        self
    }

    /// Sets the number of streams that a peer may have open on one connection, besides those of
    /// [`StreamAllowances`](crate::StreamAllowances). Default: 100.
    pub const fn max_concurrent_streams(&mut self, max_concurrent_streams: u32) -> &mut Self {
        self.max_concurrent_streams = max_concurrent_streams;
        self
    }

    /// Sets the number of connections of the pool, and of accepted ones. Default: 100.
    pub const fn max_connections(&mut self, max_connections: usize) -> &mut Self {
        self.max_connections = max_connections;
        self
    }

    /// Sets whether to use QUIC, over UDP. Default: true.
    pub const fn quic(&mut self, quic: bool) -> &mut Self {
        self.quic = quic;
        self
    }

    /// Sets whether to use TCP if UDP does not get through. Default: true.
    pub const fn fallback(&mut self, fallback: bool) -> &mut Self {
        self.fallback = fallback;
        self
    }

    /// Sets whether an opening may be sent, and is accepted, as 0-RTT data. Default: true.
    pub const fn enable_0rtt(&mut self, enable_0rtt: bool) -> &mut Self {
        self.enable_0rtt = enable_0rtt;
        self
    }

    /// Checks every value.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` names the first value that is out of range, and its range; `ERR_CONFIG` if both QUIC and its
    /// fallback are disabled.
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
            let reason = "enable AGENTIC_FLOW_ENABLE_QUIC (or enableQuic) or enableFallback";
            return Err(TransportError::config(&"QUIC and its fallback over TCP are both disabled", &reason));
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
