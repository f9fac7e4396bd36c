use std::fs::File;
use std::io::Read;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::tls_file::TlsFile;
use crate::{Identity, TransportError};

/// Reads the certificates in a PEM file, in order; at least one.
pub(crate) fn read_certificates(file: &TlsFile) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let text = read(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => {
            Err(file
                .refuse("it holds no certificate: give a file of PEM blocks (-----BEGIN CERTIFICATE-----)"))
        }
        Err(error) => Err(file.refuse(&format!("a certificate in it cannot be read: {error}"))),
    }
}

/// Reads a key and its certificate chain, the node's own certificate first.
pub(crate) fn read_identity(certificate: &TlsFile, key: &TlsFile) -> Result<Identity, TransportError> {
    let chain = read_certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|error| key.refuse(&format!("no private key can be read from it: {error}")))?;
    Identity::from_chain(chain, private)
        .map_err(|reason| certificate.refuse(&format!("it does not go with {key}: {reason}")))
}

fn read(file: &TlsFile) -> Result<Vec<u8>, TransportError> {
    let mut bytes = Vec::new();
    let read = File::open(&file.path).and_then(|open| open.take(MAX_FILE).read_to_end(&mut bytes));
    match read {
        Ok(length) if (length as u64) < MAX_FILE => Ok(bytes),
        Ok(_) => Err(file.refuse("it is too large for a certificate file")),
        Err(error) => Err(file.refuse(&error)),
    }
}

/// Keeps a wrong path from reading a database into memory.
const MAX_FILE: u64 = 1 << 20;
