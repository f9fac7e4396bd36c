//! Translates errors of TLS over TCP into those of QUIC.

use std::io;

use bytes::Bytes;
use quinn::{ConnectionClose, ConnectionError, TransportErrorCode};
use rustls::AlertDescription;

/// How a handshake failed; `None` if nothing speaks TLS there, or nothing listens.
pub(crate) fn handshake_error(error: &io::Error) -> Option<ConnectionError> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        rustls::Error::AlertReceived(alert) => closed_by_peer(*alert),
        rustls::Error::InvalidCertificate(reason) => {
            refused_here(AlertDescription::CertificateUnknown, format!("{reason:?}"))
        }
        rustls::Error::NoCertificatesPresented => {
            refused_here(AlertDescription::CertificateRequired, error.to_string())
        }
        other => refused_here(AlertDescription::HandshakeFailure, other.to_string()),
    })
}

fn closed_by_peer(alert: AlertDescription) -> ConnectionError {
    ConnectionError::ConnectionClosed(ConnectionClose {
        error_code: TransportErrorCode::crypto(alert.into()),
        frame_type: None,
        reason: Bytes::new(),
    })
}

fn refused_here(alert: AlertDescription, reason: String) -> ConnectionError {
    let mut error = ConnectionError::TransportError(TransportErrorCode::crypto(alert.into()).into());
    if let ConnectionError::TransportError(error) = &mut error {
        error.reason = reason;
    }
    error
}
