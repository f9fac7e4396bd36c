use std::fmt;
use std::path::PathBuf;

use vectr_delta::Fingerprint;

use crate::address::Address;
use crate::config::MAX;
use crate::protocol::DEFAULT_PORT;
use crate::{EndpointConfig, TlsConfig, TlsFile, TlsSecret, TransportError};

/// The configuration given by environment variables. Each setting is looked up by itself: an argument in code comes
/// before its variable, the variable before the default.
///
/// | variable | sets |
/// | --- | --- |
/// | `AGENTIC_FLOW_ENABLE_QUIC` | [`EndpointConfig::quic`] |
/// | `QUIC_HOST`, `QUIC_PORT` | the address to listen on, by default (127.0.0.1, 4433) |
/// | `QUIC_SERVER_HOST`, `QUIC_SERVER_PORT` | the peer to sync with by default |
/// | `QUIC_MAX_CONNECTIONS`, `QUIC_MAX_STREAMS` | [`EndpointConfig::max_connections`], [`EndpointConfig::max_concurrent_streams`] |
/// | `QUIC_CERT_PATH`, `QUIC_KEY_PATH`, `QUIC_CA_PATH` | [`TlsConfig::certificate`], [`TlsConfig::key`], [`TlsConfig::authority`] |
/// | `QUIC_PINNED_FINGERPRINTS` | [`TlsConfig::pins`], separated by commas or spaces |
/// | `QUIC_CLUSTER_SECRET` | [`TlsConfig::secrets`] |
/// | `QUIC_VERIFY_PEER` | only `true`: verification can be disabled in code only |
#[derive(Debug, Clone, Default)]
pub struct Environment {
    quic: Option<bool>,
    host: Option<String>,
    port: Option<u16>,
    server_host: Option<String>,
    server_port: Option<u16>,
    max_connections: Option<u32>,
    max_streams: Option<u32>,
    certificate: Option<TlsFile>,
    key: Option<TlsFile>,
    authority: Option<TlsFile>,
    pins: Option<Vec<Fingerprint>>,
    secret: Option<TlsSecret>,
}

impl Environment {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// As [`Environment::read`]; `ERR_CONFIG` for a variable that is not Unicode.
    pub fn current() -> Result<Self, TransportError> {
        let mut odd = None;
        let read = Self::read(|name| {
            let value = std::env::var_os(name)?.into_string();
            value.map_err(|_| odd.get_or_insert(name)).ok()
        });
        match odd {
            Some(name) => Err(TransportError::config(&name, &"it is not valid Unicode")),
            None => read,
        }
    }

    /// Reads variables through `value`, by name.
    ///
    /// # Errors
    /// `ERR_CONFIG` names the first variable with an unusable value, and the value unless it is a secret.
    pub fn read(mut value: impl FnMut(&'static str) -> Option<String>) -> Result<Self, TransportError> {
        let mut read = |name: &'static str| match value(name) {
            // `NAME=$(cat missing)` must not count as "not configured".
            Some(text) if text.trim().is_empty() => {
                Err(refuse(name, &text, "it is empty: unset it, or give a value"))
            }
            text => Ok(text.map(|text| Variable { name, text })),
        };
        if let Some(verify) = read("QUIC_VERIFY_PEER")?
            && !verify.flag()?
        {
            let hint = "the environment cannot disable verification; a program that has to can set \
                        tls: { dangerousAcceptAnyPeer: true } in its code";
            return Err(verify.refuse(hint));
        }
        Ok(Self {
            quic: read("AGENTIC_FLOW_ENABLE_QUIC")?.map(|given| given.flag()).transpose()?,
            host: read("QUIC_HOST")?.map(Variable::host).transpose()?,
            port: read("QUIC_PORT")?.map(|given| given.number(0, u16::MAX)).transpose()?,
            server_host: read("QUIC_SERVER_HOST")?.map(Variable::host).transpose()?,
            server_port: read("QUIC_SERVER_PORT")?.map(|given| given.number(1, u16::MAX)).transpose()?,
            max_connections: read("QUIC_MAX_CONNECTIONS")?.map(|given| given.number(1, MAX)).transpose()?,
            max_streams: read("QUIC_MAX_STREAMS")?.map(|given| given.number(1, MAX)).transpose()?,
            certificate: read("QUIC_CERT_PATH")?.map(Variable::file),
            key: read("QUIC_KEY_PATH")?.map(Variable::file),
            authority: read("QUIC_CA_PATH")?.map(Variable::file),
            pins: read("QUIC_PINNED_FINGERPRINTS")?.map(|given| given.fingerprints()).transpose()?,
            secret: read("QUIC_CLUSTER_SECRET")?.map(Variable::secret),
        })
    }

    /// The default configuration of an endpoint, with the values from the environment.
    #[must_use]
    pub fn endpoint(&self) -> EndpointConfig {
        let default = EndpointConfig::default();
        EndpointConfig {
            quic: self.quic.unwrap_or(default.quic),
            max_connections: self.max_connections.map_or(default.max_connections, |max| max as usize),
            max_concurrent_streams: self.max_streams.unwrap_or(default.max_concurrent_streams),
            ..default
        }
    }

    /// Fills in what `given` leaves out.
    #[must_use]
    pub fn tls(&self, given: TlsConfig) -> TlsConfig {
        let secret = self.secret.iter().filter(|_| given.secrets.is_empty()).cloned();
        TlsConfig {
            certificate: given.certificate.or_else(|| self.certificate.clone()),
            key: given.key.or_else(|| self.key.clone()),
            authority: given.authority.or_else(|| self.authority.clone()),
            pins: given.pins.or_else(|| self.pins.clone()),
            secrets: given.secrets.iter().cloned().chain(secret).collect(),
            rights: given.rights,
            dangerous_accept_any_peer: given.dangerous_accept_any_peer,
        }
    }

    /// The address to listen on. What is left out comes from `QUIC_HOST` and `QUIC_PORT`, or else is 127.0.0.1 and
    /// 4433.
    #[must_use]
    pub fn listen_address(&self, host: Option<&str>, port: Option<u16>) -> String {
        let host = host.or(self.host.as_deref()).unwrap_or("127.0.0.1");
        join(host, port.or(self.port).unwrap_or(DEFAULT_PORT))
    }

    /// The peer to sync with if none is named, from `QUIC_SERVER_HOST` and `QUIC_SERVER_PORT` (4433).
    #[must_use]
    pub fn server_address(&self) -> Option<String> {
        self.server_host.as_ref().map(|host| join(host, self.server_port.unwrap_or(DEFAULT_PORT)))
    }
}

/// A variable that is set.
struct Variable {
    name: &'static str,
    text: String,
}

impl Variable {
    fn flag(&self) -> Result<bool, TransportError> {
        match self.text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(self.refuse("give true or false")),
        }
    }

    fn number<N>(&self, min: N, max: N) -> Result<N, TransportError>
    where
        N: std::str::FromStr + PartialOrd + fmt::Display + Copy,
    {
        let is_plain = self.text.bytes().all(|byte| byte.is_ascii_digit());
        let number = self.text.parse().ok().filter(|number| is_plain && (&min..=&max).contains(&number));
        number.ok_or_else(|| self.refuse(&format!("give a whole number from {min} to {max}")))
    }

    fn host(self) -> Result<String, TransportError> {
        let bare = self.text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&self.text);
        if Address::listening(&join(bare, 1)).is_err() {
            return Err(self.refuse("give a DNS name or an IP address, without a port"));
        }
        Ok(bare.to_owned())
    }

    fn fingerprints(&self) -> Result<Vec<Fingerprint>, TransportError> {
        let parts = self.text.split([',', ' ', '\n']).map(str::trim).filter(|part| !part.is_empty());
        let parse = |part: &str| {
            let hint = "give fingerprints of 64 hexadecimal digits, separated by commas";
            part.parse().map_err(|_| refuse(self.name, part, hint))
        };
        parts.map(parse).collect()
    }

    fn file(self) -> TlsFile {
        TlsFile { name: self.name, path: PathBuf::from(self.text) }
    }

    fn secret(self) -> TlsSecret {
        TlsSecret { name: self.name, text: self.text }
    }

    fn refuse(&self, hint: &str) -> TransportError {
        refuse(self.name, &self.text, hint)
    }
}

fn refuse(name: &str, value: &str, hint: &str) -> TransportError {
    let shown: String = value.chars().take(100).collect();
    TransportError::config(&format!("{name}='{shown}'"), &hint)
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, TransportError> {
        let value =
            |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Environment::read(value)
    }

    #[test]
    fn nothing_set_leaves_every_default() {
        let environment = read(&[]).unwrap();
        assert_eq!(environment.endpoint(), EndpointConfig::default());
        assert_eq!(environment.listen_address(None, None), "127.0.0.1:4433");
        assert_eq!(environment.server_address(), None);
        let tls = environment.tls(TlsConfig::default());
        assert!(tls.pins.is_none() && tls.secrets.is_empty() && tls.authority.is_none());
    }

    #[test]
    fn a_variable_applies_unless_an_argument_is_given() {
        let pin = "AB".repeat(32);
        let environment = read(&[
            ("AGENTIC_FLOW_ENABLE_QUIC", "TRUE"),
            ("QUIC_HOST", "::1"),
            ("QUIC_PORT", "5000"),
            ("QUIC_SERVER_HOST", "hub.example"),
            ("QUIC_MAX_CONNECTIONS", "7"),
            ("QUIC_MAX_STREAMS", "8"),
            ("QUIC_CERT_PATH", "node.pem"),
            ("QUIC_KEY_PATH", "node.key"),
            ("QUIC_CA_PATH", "ca.pem"),
            ("QUIC_PINNED_FINGERPRINTS", &format!("{pin}, {pin}")),
            ("QUIC_CLUSTER_SECRET", "a secret of the environment"),
            ("QUIC_VERIFY_PEER", "1"),
        ])
        .unwrap();
        let endpoint = environment.endpoint();
        assert_eq!((endpoint.quic, endpoint.max_connections, endpoint.max_concurrent_streams), (true, 7, 8));
        assert_eq!(environment.listen_address(None, None), "[::1]:5000");
        assert_eq!(environment.listen_address(Some("0.0.0.0"), Some(0)), "0.0.0.0:0");
        assert_eq!(environment.server_address().unwrap(), "hub.example:4433");
        let tls = environment.tls(TlsConfig::default());
        assert_eq!(tls.certificate.unwrap().path, PathBuf::from("node.pem"));
        assert_eq!((tls.key.unwrap().name, tls.authority.unwrap().name), ("QUIC_KEY_PATH", "QUIC_CA_PATH"));
        assert_eq!((tls.pins.unwrap().len(), tls.secrets.len()), (2, 1));
        let given = TlsConfig {
            pins: Some(vec![]),
            secrets: vec![TlsSecret { name: "tls.clusterSecret", text: "from code".to_owned() }],
            ..TlsConfig::default()
        };
        let tls = environment.tls(given);
        assert_eq!(tls.pins, Some(vec![]));
        assert_eq!(tls.secrets.iter().map(|secret| &*secret.text).collect::<Vec<_>>(), ["from code"]);
    }

    #[test]
    fn a_value_that_cannot_be_used_is_named_with_its_variable() {
        for (name, value) in [
            ("AGENTIC_FLOW_ENABLE_QUIC", "maybe"),
            ("QUIC_VERIFY_PEER", "sometimes"),
            ("QUIC_HOST", "a b"),
            ("QUIC_HOST", "host:4433"),
            ("QUIC_SERVER_HOST", "http://hub"),
            ("QUIC_PORT", "65536"),
            ("QUIC_PORT", "-1"),
            ("QUIC_PORT", "+1"),
            ("QUIC_SERVER_PORT", "0"),
            ("QUIC_MAX_CONNECTIONS", "0"),
            ("QUIC_MAX_CONNECTIONS", "65537"),
            ("QUIC_MAX_STREAMS", "many"),
            ("QUIC_PINNED_FINGERPRINTS", "abcd"),
            ("QUIC_CLUSTER_SECRET", ""),
            ("QUIC_CA_PATH", " "),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert_eq!(error.code(), "ERR_CONFIG");
            assert!(error.to_string().starts_with(&format!("{name}='{value}'")), "{error}");
        }
    }

    #[test]
    fn verification_is_not_switched_off_by_the_environment() {
        for value in ["false", "0", "off"] {
            let error = read(&[("QUIC_VERIFY_PEER", value)]).unwrap_err();
            assert_eq!(error.code(), "ERR_CONFIG");
            assert!(error.to_string().contains("dangerousAcceptAnyPeer"), "{error}");
        }
    }

    #[test]
    fn without_quic_the_fallback_is_required() {
        let endpoint = read(&[("AGENTIC_FLOW_ENABLE_QUIC", "false")]).unwrap().endpoint();
        assert!(!endpoint.quic && endpoint.fallback);
        endpoint.validate().unwrap();
        let error = EndpointConfig { fallback: false, ..endpoint }.validate().unwrap_err();
        assert_eq!(error.code(), "ERR_CONFIG");
        assert!(error.to_string().contains("AGENTIC_FLOW_ENABLE_QUIC"), "{error}");
    }

    #[test]
    fn a_secret_is_never_shown() {
        let environment = read(&[("QUIC_CLUSTER_SECRET", "hunter2")]).unwrap();
        assert!(!format!("{environment:?}").contains("hunter2"));
        let error = environment.tls(TlsConfig::default()).load().unwrap_err();
        assert_eq!(error.code(), "ERR_CONFIG");
        let text = error.to_string();
        assert!(text.contains("QUIC_CLUSTER_SECRET") && !text.contains("hunter2"), "{text}");
    }
}
