use std::net::SocketAddr;
use std::time::Duration;

use quinn::{ConnectionError, TransportErrorCode, VarInt};
use rustls::AlertDescription;
use vectr_delta::Fingerprint;

use crate::protocol::{CloseCode, WITHOUT_SECRET};
use crate::tls::verifier::refused_certificate;
use crate::trust::Credentials;
use crate::{Distrust, TransportError};

/// The two ends of a connection, for its errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorContext {
    pub(crate) ours: Fingerprint,
    pub(crate) remote: SocketAddr,
    pub(crate) idle_timeout: Duration,
}

impl ErrorContext {
    /// What the end of a connection means to the caller. A refusal is one whether it arrives as a TLS alert during
    /// the handshake or as an application close after it.
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
                self.lost("the peer's trust has changed: both have to prove anew who they are")
            }
            ConnectionError::ApplicationClosed(close)
                if close.error_code == VarInt::from(CloseCode::Protocol) =>
            {
                let reason = String::from_utf8_lossy(&close.reason);
                TransportError::Protocol { remote, reason: format!("it says that this node did: {reason}") }
            }
            ConnectionError::ApplicationClosed(close)
                if close.error_code == VarInt::from(CloseCode::Busy) =>
            {
                self.busy()
            }
            ConnectionError::ApplicationClosed(_) => self.lost("the peer closed it"),
            ConnectionError::ConnectionClosed(close) => self.closed_by_peer(close.error_code, &close.reason),
            ConnectionError::TransportError(error) if is_refusal(error.code) => {
                let (peer, because) = refused_certificate(&error.reason);
                let remote = remote.ip().to_canonical();
                TransportError::Untrusted { peer, remote, ours: Some(ours), because }
            }
            ConnectionError::TransportError(error) => {
                TransportError::Protocol { remote, reason: error.to_string() }
            }
            ConnectionError::VersionMismatch => {
                TransportError::Protocol { remote, reason: "it speaks no common version of QUIC".to_owned() }
            }
            ConnectionError::Reset => self.lost("the peer knows it no longer, as after a restart"),
            ConnectionError::TimedOut => TransportError::TimedOut { remote, waited: idle_timeout },
            ConnectionError::LocallyClosed => TransportError::endpoint_closed(),
            ConnectionError::CidsExhausted => self.lost("no connection ids are left"),
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
        // An application close takes this form while the handshake goes on.
        if code == TransportErrorCode::APPLICATION_ERROR {
            return self.lost("the peer closed it");
        }
        let reason = String::from_utf8_lossy(reason);
        TransportError::Protocol { remote, reason: format!("it closed the connection: {code} {reason}") }
    }

    const fn busy(&self) -> TransportError {
        TransportError::Busy { remote: self.remote, reason: "it accepts no more connections" }
    }

    /// The peer at the other end is not trusted here.
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

/// Whether a TLS alert says that a certificate, not the protocol, is the matter.
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
