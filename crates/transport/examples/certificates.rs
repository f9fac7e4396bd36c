//! Creates a small certificate authority and certificates in a folder, to try `tls: { caPath, certPath, keyPath }`:
//!
//! ```text
//! cargo run --release -p vectr-transport --example certificates -- FOLDER
//! ```
//!
//! `alpha` and `beta` are members; `renewed` is alpha's next certificate; `expired` has expired; `stranger` has one from
//! another authority. The tests of the Node package use such a folder, `tests/node/certificates`.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, Error, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("give a folder")?);
    fs::create_dir_all(&folder)?;
    let (ours, other) = (authority("authority of the example")?, authority("another authority")?);
    fs::write(folder.join("ca.pem"), ours.pem())?;
    fs::write(folder.join("other-ca.pem"), other.pem())?;
    issue(&folder, &ours, "alpha", "alpha.example", FAR)?;
    issue(&folder, &ours, "renewed", "alpha.example", FAR)?;
    issue(&folder, &ours, "beta", "beta.example", FAR)?;
    issue(&folder, &ours, "expired", "beta.example", 2002)?;
    issue(&folder, &other, "stranger", "beta.example", FAR)?;
    println!("{}", folder.display());
    Ok(())
}

fn authority(name: &str) -> Result<Authority, Error> {
    let mut params = CertificateParams::new(vec![])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(FAR, 1, 1));
    CertifiedIssuer::self_signed(params, KeyPair::generate_for(&rcgen::PKCS_ED25519)?)
}

fn issue(
    folder: &Path,
    authority: &Authority,
    file: &str,
    name: &str,
    until: i32,
) -> Result<(), Box<dyn std::error::Error>> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    // A node is a client and a server.
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(until, 1, 1));
    let certificate = params.signed_by(&key, authority)?;
    fs::write(folder.join(format!("{file}.pem")), certificate.pem())?;
    fs::write(folder.join(format!("{file}.key")), key.serialize_pem())?;
    Ok(())
}

const FAR: i32 = 2125;
