//! Certificate authorities and the certificates they issue, in files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SignatureAlgorithm,
};
use vectr_transport::{TlsConfig, TlsFile};

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
    issued: AtomicU32,
}

impl Authority {
    pub fn new() -> Self {
        Self::of(&rcgen::PKCS_ED25519)
    }

    pub fn of(algorithm: &'static SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder, issued: AtomicU32::new(0) }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Trusts this authority, and shows a certificate of it that may be used in both roles.
    pub fn member(&self, name: &str) -> TlsConfig {
        self.member_with(name, |_| {})
    }

    /// As [`Authority::member`], with a certificate of one's own making.
    pub fn member_with(&self, name: &str, adjust: impl FnOnce(&mut CertificateParams)) -> TlsConfig {
        self.member_of(&KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(), name, adjust)
    }

    pub fn member_of(
        &self,
        key: &KeyPair,
        name: &str,
        adjust: impl FnOnce(&mut CertificateParams),
    ) -> TlsConfig {
        let mut params = params(name);
        adjust(&mut params);
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let at = |kind: &str| self.folder.path().join(format!("{number}.{kind}"));
        fs::write(at("pem"), certificate.pem()).unwrap();
        fs::write(at("key"), key.serialize_pem()).unwrap();
        TlsConfig::default()
            .certificate(file(&at("pem")))
            .key(file(&at("key")))
            .authority(file(&self.path()))
            .clone()
    }

    /// An authority below this one, and its certificate.
    pub fn intermediate(&self) -> (Self, String) {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name.push(DnType::CommonName, "authority below");
        let issuer = CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::copy(self.path(), folder.path().join("ca.pem")).unwrap();
        let pem = issuer.pem();
        (Self { issuer, folder, issued: AtomicU32::new(0) }, pem)
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

pub fn file(path: &Path) -> TlsFile {
    TlsFile { name: "test", path: path.to_owned() }
}
