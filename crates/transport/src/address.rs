use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;
use std::{fmt, io};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::TransportError;
use crate::limits::LOOKUPS;
use crate::protocol::DEFAULT_PORT;

/// A well-formed `host:port`. Equal addresses share a pooled connection.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Address {
    /// A lower-case DNS name, or an IP address without brackets in its canonical form.
    host: String,
    port: u16,
}

impl Address {
    /// Parses an address to connect to: `host`, `host:port`, `1.2.3.4:port`, `[v6]:port`, `[v6]`, `v6`.
    pub(crate) fn peer(text: &str) -> Result<Self, TransportError> {
        let address = Self::listening(text)?;
        if address.port == 0 {
            return Err(refuse(text, "give a port from 1 to 65535"));
        }
        if address.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()) {
            return Err(refuse(text, "it stands for every interface: give the address of one machine"));
        }
        Ok(address)
    }

    /// Parses an address to listen on: as for a peer, but port 0 means any free one.
    pub(crate) fn listening(text: &str) -> Result<Self, TransportError> {
        if let Some((_, rest)) = text.split_once("://") {
            return Err(refuse(text, &url_hint(rest)));
        }
        let (host, port) = split(text)?;
        let port = match port {
            None => DEFAULT_PORT,
            Some(digits) => {
                parse_port(digits).ok_or_else(|| refuse(text, "its port must be a number up to 65535"))?
            }
        };
        let host = canonical_host(host).ok_or_else(|| refuse(text, FORMS))?;
        Ok(Self { host, port })
    }

    /// Whether the address is one of this machine without asking a resolver: a loopback address or `localhost`.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical().is_loopback(),
            Err(_) => self.host == "localhost" || self.host.ends_with(".localhost"),
        }
    }

    /// Resolves to socket addresses, in the order in which to try them. Waits at most half of `limit` for its turn, so that
    /// a caller with this limit learns what it waited for.
    pub(crate) async fn resolve(&self, limit: Duration) -> Result<Vec<SocketAddr>, TransportError> {
        let unreachable = |reason: String| TransportError::Unreachable { address: self.to_string(), reason };
        let found = look_up(self.host.clone(), self.port, limit / 2)
            .await
            .map_err(|error| unreachable(format!("its name cannot be resolved: {error}")))?;
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in found {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(unreachable("its name has no address".to_owned()));
        }
        // A listener on `localhost` by default is one on 127.0.0.1, whatever the resolver lists first.
        addresses.sort_by_key(|address| address.ip() != IpAddr::V4(Ipv4Addr::LOCALHOST));
        Ok(addresses)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Asks the system's resolver, which may block a thread for many seconds. Only so many threads do: the reading of
/// databases uses the same ones. A caller that gives up leaves its thread blocked, and counted.
async fn look_up(host: String, port: u16, patience: Duration) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    // No resolver asks elsewhere for it.
    let permit = if host == "localhost" { None } else { Some(turn(&LOOKUP_PERMITS, patience).await?) };
    let found = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        (host.as_str(), port).to_socket_addrs().map(Iterator::collect)
    });
    found.await.map_err(io::Error::other)?
}

async fn turn(permits: &Semaphore, patience: Duration) -> io::Result<SemaphorePermit<'_>> {
    let Ok(permit) = tokio::time::timeout(patience, permits.acquire()).await else {
        return Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the system's resolver is busy with other names",
        ));
    };
    Ok(permit.expect("the semaphore is never closed"))
}

static LOOKUP_PERMITS: Semaphore = Semaphore::const_new(LOOKUPS);

/// The host without brackets, and the digits of the port.
fn split(text: &str) -> Result<(&str, Option<&str>), TransportError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| refuse(text, FORMS))?;
        if !host.contains(':') {
            return Err(refuse(text, FORMS));
        }
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(refuse(text, FORMS)),
        };
    }
    match text.split_once(':') {
        None => Ok((text, None)),
        Some((_, rest)) if rest.contains(':') => Ok((text, None)),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

fn canonical_host(host: &str) -> Option<String> {
    if host.contains(':') {
        return canonical_ipv6(host);
    }
    let labels_are_sound = host.len() <= 253
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        });
    if !labels_are_sound {
        return None;
    }
    // A name whose last label is a number can only be an IPv4 address.
    let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if numeric {
        return host.parse::<Ipv4Addr>().ok().map(|ip| ip.to_string());
    }
    Some(host.to_ascii_lowercase())
}

fn canonical_ipv6(host: &str) -> Option<String> {
    let (ip, zone) = match host.split_once('%') {
        None => (host, ""),
        Some((ip, zone)) => (ip, zone),
    };
    let ip: Ipv6Addr = ip.parse().ok()?;
    if host.contains('%') {
        let sound = !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%');
        return sound.then(|| format!("{ip}%{zone}"));
    }
    Some(ip.to_string())
}

/// What to give instead of a URL, whose part after the scheme is `rest`.
fn url_hint(rest: &str) -> String {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match Address::listening(authority) {
        Ok(_) => format!("it is a URL, and an address is host:port: give '{authority}'"),
        Err(_) => "it is a URL, and an address is host:port".to_owned(),
    }
}

fn refuse(text: &str, hint: &str) -> TransportError {
    TransportError::argument("address", &text, hint)
}

const FORMS: &str = "give host, host:port or [ipv6]:port, where the host is a DNS name or an IP address";

#[cfg(test)]
mod tests {
    use super::*;

    /// 16 names whose servers do not answer stopped every other one, `localhost` included, and nothing said so.
    #[tokio::test]
    async fn a_busy_resolver_is_named_and_stops_no_call_to_this_machine() {
        let none_left = LOOKUP_PERMITS.acquire_many(LOOKUPS as u32).await.unwrap();
        let local = Address::peer("localhost:1").unwrap().resolve(Duration::ZERO).await.unwrap();
        assert!(local.iter().all(|address| address.ip().is_loopback()), "{local:?}");
        let error = Address::peer("vectr.invalid").unwrap().resolve(Duration::ZERO).await.unwrap_err();
        assert!(error.to_string().contains("the system's resolver is busy"), "{error}");
        drop(none_left);
    }

    #[test]
    fn every_form_of_one_address_is_the_same_address() {
        let forms = [
            ("Example.ORG", "example.org:4433"),
            ("example.org:4433", "example.org:4433"),
            ("10.0.0.1", "10.0.0.1:4433"),
            ("10.0.0.1:9", "10.0.0.1:9"),
            ("::1", "[::1]:4433"),
            ("[::1]", "[::1]:4433"),
            ("[0:0::1]:65535", "[::1]:65535"),
            ("[fe80::1%eth0]:5", "[fe80::1%eth0]:5"),
            ("my_host-1:1", "my_host-1:1"),
        ];
        for (text, canonical) in forms {
            assert_eq!(Address::peer(text).unwrap().to_string(), canonical);
        }
        assert_eq!(Address::listening("0.0.0.0:0").unwrap().to_string(), "0.0.0.0:0");
    }

    #[test]
    fn only_loopback_addresses_and_localhost_are_of_this_machine() {
        for text in [
            "127.0.0.1",
            "127.9.9.9:1",
            "::1",
            "[::ffff:127.0.0.1]:1",
            "localhost",
            "LOCALHOST:1",
            "a.localhost",
        ] {
            assert!(Address::peer(text).unwrap().is_loopback(), "{text}");
        }
        for text in [
            "192.0.2.1",
            "[::ffff:192.0.2.1]:1",
            "fe80::1",
            "localhost.example",
            "notlocalhost",
            "example.org",
        ] {
            assert!(!Address::peer(text).unwrap().is_loopback(), "{text}");
        }
    }

    // A URL was said to have a port that is no number.
    #[test]
    fn a_url_is_told_what_to_give_instead() {
        for (url, hint) in [
            ("http://x", ": give 'x'"),
            ("https://x:5/path?query", ": give 'x:5'"),
            ("quic://[::1]:4433", ": give '[::1]:4433'"),
            ("file:///x", "an address is host:port"),
            ("a://b://c", "an address is host:port"),
        ] {
            for refused in [Address::peer(url), Address::listening(url)] {
                let text = refused.unwrap_err().to_string();
                assert!(text.contains("it is a URL") && text.ends_with(hint), "{text}");
            }
        }
    }

    #[test]
    fn a_malformed_address_is_refused_by_name() {
        let long = "a".repeat(64);
        let malformed = [
            "",
            ":",
            ":4433",
            "host:",
            "host:x",
            "host:65536",
            "host:+1",
            "host:0",
            "a b",
            "https://host",
            "host/x",
            "[::1",
            "[::1]4433",
            "[host]:1",
            "::g",
            "1.2.3",
            "256.1.1.1:4",
            "1.2.3.4.5",
            "-a",
            "a..b",
            "é",
            "0.0.0.0:4433",
            "[::]:4433",
            "[fe80::1%]:5",
            "a\0b",
            &long,
        ];
        for text in malformed {
            let error = Address::peer(text).unwrap_err();
            assert_eq!(error.code(), "ERR_ARGUMENT", "{text}");
            assert!(error.to_string().contains(&format!("'{text}'")), "{error}");
        }
    }
}
