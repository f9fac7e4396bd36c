//! The identity file.

use std::fs;
use std::thread;

use vectr_transport::Identity;

#[test]
fn an_identity_persists() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard.db.key");
    let made = Identity::load_or_create(&path).unwrap();
    let loaded = Identity::load_or_create(&path).unwrap();
    assert_eq!(made.fingerprint(), loaded.fingerprint());
    assert_ne!(made.fingerprint(), Identity::ephemeral().unwrap().fingerprint());
    assert!(fs::read_to_string(&path).unwrap().contains(&made.fingerprint().to_string()));
}

#[cfg(unix)]
#[test]
fn an_identity_file_is_for_its_owner_only_and_leaves_nothing_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    Identity::load_or_create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn all_who_create_at_once_get_the_same_identity() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let fingerprints: Vec<_> = thread::scope(|scope| {
        let makers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| Identity::load_or_create(&path).unwrap().fingerprint())).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    assert!(fingerprints.iter().all(|fingerprint| *fingerprint == fingerprints[0]));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A silently replaced identity would lock the node out from all its peers.
#[test]
fn a_damaged_identity_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    Identity::load_or_create(&path).unwrap();
    let sound = fs::read(&path).unwrap();
    let other = {
        let path = folder.path().join("other");
        Identity::load_or_create(&path).unwrap();
        fs::read_to_string(&path).unwrap()
    };
    let text = String::from_utf8(sound.clone()).unwrap();
    let mixed = text.split("-----BEGIN CERT").next().unwrap().to_owned()
        + "-----BEGIN CERT"
        + other.split("-----BEGIN CERT").nth(1).unwrap();
    let mut damaged: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"SQLite format 3\0".to_vec(),
        vec![0xff; 100],
        sound[..sound.len() / 2].to_vec(),
        mixed.into(),
    ];
    damaged.extend((0..sound.len()).map(|at| {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        bytes
    }));
    for bytes in damaged {
        fs::write(&path, &bytes).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err();
        assert_eq!(error.code(), "ERR_CONFIG");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "the file is left alone");
    }
    fs::write(&path, &sound).unwrap();
    Identity::load_or_create(&path).unwrap();
}

#[test]
fn a_path_that_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("missing/key")] {
        assert_eq!(Identity::load_or_create(&path).unwrap_err().code(), "ERR_CONFIG");
    }
}
