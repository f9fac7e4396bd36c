use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::TransportError;
use crate::tls::identity::{Identity, NewIdentity, sha256};

impl Identity {
    /// Reads the identity stored in `path`, or generates one and stores it there with mode 0600. Several processes that
    /// do this at once end up with the same identity.
    ///
    /// # Errors
    /// `ERR_CONFIG` for a file that cannot be read or written, and for a damaged one, which is never replaced.
    pub fn load_or_create(path: &Path) -> Result<Self, TransportError> {
        if let Some(identity) = load(path)? {
            return Ok(identity);
        }
        publish(path, &NewIdentity::generate()?)?;
        load(path)?.ok_or_else(|| {
            TransportError::config(
                &path.display(),
                &"the identity file disappeared while it was being created",
            )
        })
    }
}

/// Reads the identity in a file; `None` if there is no file.
fn load(path: &Path) -> Result<Option<Identity>, TransportError> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(damaged(path, "it is not text"));
        }
        Err(error) => return Err(TransportError::config(&path.display(), &error)),
    }
    parse(&text).map(Some).map_err(|reason| damaged(path, &reason))
}

/// Stores a new identity in a file, unless one exists by now, which then stays.
fn publish(path: &Path, new: &NewIdentity) -> Result<(), TransportError> {
    let temporary = temporary_path(path)?;
    let published = write_new(&temporary, &render(new)).and_then(|()| link_or_rename(&temporary, path));
    let _ = fs::remove_file(&temporary);
    published.and_then(|()| sync_folder(path)).map_err(|error| {
        TransportError::config(&path.display(), &format!("the identity file cannot be created: {error}"))
    })
}

/// A line with the fingerprint, a line with the SHA-256 of the rest (to detect damage that still parses), and two PEM
/// blocks.
fn render(new: &NewIdentity) -> String {
    let fingerprint = new.identity.fingerprint();
    let blocks = format!("{}{}", new.key_pem, new.certificate_pem);
    format!("{FINGERPRINT_LABEL}{fingerprint}\n{CHECKSUM_LABEL}{}\n{blocks}", sha256(blocks.as_bytes()))
}

fn parse(text: &str) -> Result<Identity, String> {
    let mut parts = text.splitn(3, '\n');
    let mut part = |label: &str| parts.next().and_then(|line| line.strip_prefix(label));
    let fingerprint = part(FINGERPRINT_LABEL).ok_or("its fingerprint line is missing")?;
    let checksum = part(CHECKSUM_LABEL).ok_or("its checksum line is missing")?;
    let blocks = part("").ok_or("its key is missing")?;
    if checksum != sha256(blocks.as_bytes()).to_string() {
        return Err("its checksum does not match".to_owned());
    }
    let key =
        PrivatePkcs8KeyDer::from_pem_slice(blocks.as_bytes()).map_err(|error| format!("its key: {error}"))?;
    let certificate = CertificateDer::from_pem_slice(blocks.as_bytes())
        .map_err(|error| format!("its certificate: {error}"))?;
    let identity = Identity::from_der(certificate, key)?;
    if identity.fingerprint().to_string() != fingerprint {
        return Err("its certificate does not match the fingerprint in its first line".to_owned());
    }
    Ok(identity)
}

fn damaged(path: &Path, reason: &str) -> TransportError {
    let way_out = "restore a copy, or move it away to get a new identity that peers must pin again";
    TransportError::config(&path.display(), &format!("the identity file is damaged ({reason}): {way_out}"))
}

fn temporary_path(path: &Path) -> Result<PathBuf, TransportError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| TransportError::config(&path.display(), &error))?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:016x}.new", u64::from_le_bytes(random)));
    Ok(name.into())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A hard link, unlike a rename, cannot replace a file that another process published first.
fn link_or_rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // The file system has no hard links.
        Err(_) if !to.try_exists()? => fs::rename(from, to),
        Err(_) => Ok(()),
    }
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

const FINGERPRINT_LABEL: &str = "vectr fingerprint: ";
const CHECKSUM_LABEL: &str = "checksum: ";

/// More than any identity needs. Keeps a wrong path from reading a database into memory.
const MAX_FILE: u64 = 64 * 1024;
