use std::net::SocketAddr;
use std::time::Duration;

use quinn::{ConnectionError, TransportErrorCode, VarInt};
use rustls::AlertDescription;
use vectr_delta::Fingerprint;

use crate::protocol::{CloseCode, WITHOUT_SECRET};
use crate::tls::verifier::refused_certificate;
use crate::trust::Credentials;
use crate::{Distrust, TransportError};

/// What the errors of a connection need to know about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorContext {
    pub(crate) ours: Fingerprint,
    pub(crate) remote: SocketAddr,
    pub(crate) idle_timeout: Duration,
}

impl ErrorContext {
    /// Translates the end of a connection. A refusal is the same error whether it arrives as a TLS alert during the
    /// handshake or as an application close after it.
    pub(crate) fn explain(&self, error: &ConnectionError) -> TransportError {
        let Self { ours, remote, idle_timeout } = *self;
        match error {
            ConnectionError::ApplicationClosed(close)
                if close.error_code == VarInt::from(CloseCode::Trust) =>
            {
                TransportError::Refused { remote, ours, secret: &close.reason[..] == WITHOUT_SECRET }
            }
            ConnectionError::ApplicationClosed(close)
                if close.error_code == VarInt::from(CloseCode::Renewal) =>
            {
                self.lost("the peer's trust rules have changed: both sides must authenticate again")
            }
            ConnectionError::ApplicationClosed(close)
                if close.error_code == VarInt::from(CloseCode::Protocol) =>
            {
                let reason = String::from_utf8_lossy(&close.reason);
                TransportError::Protocol {
                    remote,
                    reason: format!("it closed the connection over a violation by this node: {reason}"),
                }
            }
            ConnectionError::ApplicationClosed(close)
                if close.error_code == VarInt::from(CloseCode::Busy) =>
            {
                self.busy()
            }
            ConnectionError::ApplicationClosed(close)
                if close.error_code == VarInt::from(CloseCode::Limit) =>
            {
                self.over_limit(&String::from_utf8_lossy(&close.reason))
            }
            ConnectionError::ApplicationClosed(_) => self.lost("the peer closed it"),
            ConnectionError::ConnectionClosed(close) => self.closed_by_peer(close.error_code, &close.reason),
            ConnectionError::TransportError(error) if is_refusal(error.code) => {
                let (peer, because) = refused_certificate(&error.reason);
                let remote = remote.ip().to_canonical();
                TransportError::Untrusted { peer, remote, ours: Some(ours), because }
            }
            ConnectionError::TransportError(error)
                if error.code == TransportErrorCode::STREAM_LIMIT_ERROR =>
            {
                self.over_limit(&error.reason)
            }
            // The socket of this machine failed. A new one is bound.
            ConnectionError::TransportError(error) if error.code == TransportErrorCode::INTERNAL_ERROR => {
                self.lost(&error.reason)
            }
            ConnectionError::TransportError(error) => {
                TransportError::Protocol { remote, reason: error.to_string() }
            }
            ConnectionError::VersionMismatch => {
                TransportError::Protocol { remote, reason: "it has no QUIC version in common".to_owned() }
            }
            ConnectionError::Reset => self.lost("the peer no longer knows it, and may have restarted"),
            ConnectionError::TimedOut => TransportError::TimedOut { remote, waited: idle_timeout },
            ConnectionError::LocallyClosed => TransportError::endpoint_closed(),
            ConnectionError::CidsExhausted => self.lost("its connection ids are exhausted"),
        }
    }

    fn closed_by_peer(&self, code: TransportErrorCode, reason: &[u8]) -> TransportError {
        let Self { ours, remote, .. } = *self;
        if code == TransportErrorCode::CONNECTION_REFUSED {
            return self.busy();
        }
        if is_refusal(code) {
            return TransportError::Refused { remote, ours, secret: false };
        }
        if code == TransportErrorCode::STREAM_LIMIT_ERROR {
            return self.over_limit(&String::from_utf8_lossy(reason));
        }
        // During the handshake, an application close arrives in this form.
        if code == TransportErrorCode::APPLICATION_ERROR {
            return self.lost("the peer closed it");
        }
        let reason = String::from_utf8_lossy(reason);
        TransportError::Protocol { remote, reason: format!("it closed the connection: {code} {reason}") }
    }

    const fn busy(&self) -> TransportError {
        TransportError::Busy { remote: self.remote, reason: "it accepts no more connections" }
    }

    fn over_limit(&self, limit: &str) -> TransportError {
        TransportError::PeerLimit { remote: self.remote, limit: limit.chars().take(100).collect() }
    }

    /// The error for a peer that this node does not trust.
    pub(crate) fn untrusted(&self, peer: Option<&Credentials>, because: Distrust) -> TransportError {
        TransportError::Untrusted {
            peer: peer.map(Credentials::fingerprint),
            remote: self.remote.ip().to_canonical(),
            ours: Some(self.ours),
            because,
        }
    }

    pub(crate) fn lost(&self, reason: &str) -> TransportError {
        TransportError::Lost { remote: self.remote, reason: reason.to_owned() }
    }
}

/// Whether a TLS alert is about a certificate, and not about the protocol.
fn is_refusal(code: TransportErrorCode) -> bool {
    const REFUSALS: [AlertDescription; 8] = [
        AlertDescription::BadCertificate,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::CertificateRevoked,
        AlertDescription::CertificateExpired,
        AlertDescription::CertificateUnknown,
        AlertDescription::UnknownCA,
        AlertDescription::AccessDenied,
        AlertDescription::CertificateRequired,
    ];
    REFUSALS.into_iter().any(|alert| code == TransportErrorCode::crypto(alert.into()))
}
