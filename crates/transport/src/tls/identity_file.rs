use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
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
    /// `ERR_CONFIG` for a file that cannot be read or written, for one that other users can read or change, and for a
    /// damaged one, which is never replaced; `ERR_STORAGE` if the disk is full.
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
    let read = File::open(path).and_then(|file| {
        let mode = exposed_mode(&file)?;
        file.take(MAX_FILE).read_to_string(&mut text)?;
        Ok(mode)
    });
    let mode = match read {
        Ok(mode) => mode,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            return Err(damaged(path, "it is not text"));
        }
        Err(error) => return Err(TransportError::config(&path.display(), &error)),
    };
    let identity = parse(&text).map_err(|reason| damaged(path, &reason))?;
    mode.map_or(Ok(Some(identity)), |mode| Err(exposed(path, mode)))
}

/// Stores a new identity in a file, unless one exists by now, which then stays.
fn publish(path: &Path, new: &NewIdentity) -> Result<(), TransportError> {
    let temporary = temporary_path(path)?;
    let published = write_new(&temporary, &render(new)).and_then(|()| link_or_rename(&temporary, path));
    let _ = fs::remove_file(&temporary);
    published.and_then(|()| sync_folder(path)).map_err(|error| not_created(path, &error))
}

/// A disk without room is no fault of the configuration.
fn not_created(path: &Path, error: &io::Error) -> TransportError {
    let what = "the identity file cannot be created";
    let way_out = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            let reason =
                format!("{what}, because the disk is full: {error}: free some space, and do it again");
            return TransportError::Storage { subject: path.display().to_string(), reason };
        }
        ErrorKind::PermissionDenied => ": this user may not: change the owner or the mode of its folder",
        ErrorKind::ReadOnlyFilesystem => {
            ": the file system is read-only: put the file elsewhere, or configure a certificate and a key"
        }
        ErrorKind::NotFound => ": create its folder first",
        _ => "",
    };
    TransportError::config(&path.display(), &format!("{what}: {error}{way_out}"))
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

/// The mode of a file that all users can read or change; `None` if they cannot. The group may do both: a volume that a
/// container mounts for its group is given such modes anew at each start.
#[cfg(unix)]
fn exposed_mode(file: &File) -> io::Result<Option<u32>> {
    let mode = std::os::unix::fs::MetadataExt::mode(&file.metadata()?) & 0o777;
    Ok((mode & 0o007 != 0).then_some(mode))
}

#[cfg(not(unix))]
fn exposed_mode(_: &File) -> io::Result<Option<u32>> {
    Ok(None)
}

fn exposed(path: &Path, mode: u32) -> TransportError {
    let reason = format!(
        "other users can read or change this key (mode {mode:03o}): run chmod 600 on it or, if somebody may have read \
         it, move it away to get a new identity that peers must pin again; where the file system keeps no modes, put \
         the database elsewhere, or configure tls.certPath and tls.keyPath"
    );
    TransportError::config(&path.display(), &reason)
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
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // Most likely the file system has no hard links.
        Err(_) => rename_unless_exists(from, to),
    }
}

/// Renames, unless `to` exists. Several processes that do this at once take turns: each holds the lock of one file, which
/// the system releases if the process dies. That file stays, because the next process may be waiting for its lock.
fn rename_unless_exists(from: &Path, to: &Path) -> io::Result<()> {
    let mut name = to.as_os_str().to_owned();
    name.push(".lock");
    let turn = OpenOptions::new().create(true).truncate(false).write(true).open(PathBuf::from(name))?;
    turn.lock()?;
    if to.try_exists()? { Ok(()) } else { fs::rename(from, to) }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Where hard links are missing, two processes could end up with two identities, one of them in no file.
    #[test]
    fn without_hard_links_the_first_file_stays_too() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("a.db.key");
        let writers: Vec<_> = (0..8)
            .map(|number: u32| {
                let (from, to) = (folder.path().join(format!("{number}.new")), to.clone());
                fs::write(&from, number.to_string()).unwrap();
                std::thread::spawn(move || {
                    rename_unless_exists(&from, &to).unwrap();
                    fs::read_to_string(&to).unwrap()
                })
            })
            .collect();
        let seen: Vec<String> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        assert!(seen.iter().all(|text| text == &seen[0]), "{seen:?}");
    }

    /// A key that was copied without its mode was used, whoever could read it. Later, one on a volume that its group may
    /// write to was refused at each start.
    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db.key");
        let made = Identity::load_or_create(&path).unwrap().fingerprint();
        for (mode, accepted) in [
            (0o600, true),
            (0o400, true),
            (0o440, true),
            (0o644, false),
            (0o660, true),
            (0o602, false),
            (0o777, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match Identity::load_or_create(&path) {
                Ok(identity) => assert!(accepted && identity.fingerprint() == made, "{mode:o}"),
                Err(error) => {
                    assert!(!accepted && error.code() == "ERR_CONFIG", "{mode:o}: {error}");
                    let text = error.to_string();
                    assert!(
                        text.contains(&format!("mode {mode:o}")) && text.contains("tls.certPath"),
                        "{text}"
                    );
                }
            }
        }
    }

    // A full disk was said to be a wrong configuration.
    #[test]
    fn each_reason_why_an_identity_cannot_be_created_has_its_way_out() {
        let told = [
            (ErrorKind::StorageFull, "ERR_STORAGE", "the disk is full"),
            (ErrorKind::QuotaExceeded, "ERR_STORAGE", "free some space"),
            (ErrorKind::PermissionDenied, "ERR_CONFIG", "change the owner"),
            (ErrorKind::ReadOnlyFilesystem, "ERR_CONFIG", "read-only"),
            (ErrorKind::NotFound, "ERR_CONFIG", "create its folder first"),
        ];
        for (kind, code, way_out) in told {
            let error = not_created(Path::new("a.db.key"), &io::Error::from(kind));
            let text = error.to_string();
            assert_eq!(error.code(), code, "{text}");
            assert!(text.starts_with("a.db.key: ") && text.contains(way_out), "{text}");
        }
    }
}
