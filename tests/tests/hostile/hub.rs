//! `vectr serve` in a process of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use vectr_core::VectrDB;
use vectr_delta::{Fingerprint, ShardId};
use vectr_transport::Identity;

use crate::scene::{SECRET, Trusted};
use crate::size::Size;

/// Serves two files of a folder: shards that are in neither are refused there, to members too.
pub(crate) struct Hub {
    child: Child,
    _output: BufReader<ChildStdout>,
    folder: PathBuf,
    trusted: Trusted,
    pins: Vec<Fingerprint>,
    pub(crate) remote: SocketAddr,
    pub(crate) fingerprint: Fingerprint,
}

impl Hub {
    /// Files in `folder`, and the process that serves them. It lets in who is trusted, and `pins`.
    pub(crate) fn start(folder: &Path, trusted: Trusted, pins: Vec<Fingerprint>) -> Self {
        let folder = folder.join("served");
        fs::create_dir(&folder).unwrap();
        for file in [FILE, OTHER] {
            VectrDB::open(folder.join(file)).unwrap().close().unwrap();
        }
        let fingerprint = Identity::load_or_create(&folder.join("vectr.key")).unwrap().fingerprint();
        let (child, output, started) = spawn(&folder, "127.0.0.1:0", trusted, &pins);
        assert_eq!(started["fingerprint"].as_str().unwrap(), fingerprint.to_string());
        let remote = started["listen"].as_str().unwrap().parse().unwrap();
        Self { child, _output: output, folder, trusted, pins, remote, fingerprint }
    }

    /// A new process at the same address: what the last one has freed and kept would hide what the next client makes it
    /// take.
    pub(crate) fn restart(&mut self) {
        self.end();
        (self.child, self._output, _) =
            spawn(&self.folder, &self.remote.to_string(), self.trusted, &self.pins);
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// The size of its write-ahead log, in bytes.
    pub(crate) fn log(&self) -> u64 {
        fs::metadata(self.folder.join(format!("{FILE}-wal"))).map_or(0, |log| log.len())
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn size(&self) -> Size {
        Size::of(self.child.id())
    }

    /// Fails if it has ended.
    pub(crate) fn check_alive(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "vectr serve ended with {ended:?}: {}", self.notes());
    }

    /// What `vectr verify` says of the shard: its digest. Fails unless both files are sound, and have no other one.
    pub(crate) fn verified(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vectr-command"));
        command.arg("verify").args([FILE, OTHER].map(|file| self.folder.join(file)));
        let output = command.arg("--json").output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let verified: Vec<Value> = serde_json::from_str(&said).unwrap();
        let shards: Vec<usize> =
            verified.iter().map(|file| file["shards"].as_array().unwrap().len()).collect();
        assert_eq!(shards, [1, 0], "{said}");
        assert!(verified.iter().all(|file| file["sound"] == true), "{said}");
        verified[0]["shards"][0]["digest"].as_str().unwrap().to_owned()
    }

    /// Asks it to stop, waits until it has drained, and fails unless it succeeded.
    pub(crate) fn end(&mut self) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "vectr serve does not end: {}", self.notes());
            thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}: {}", self.notes());
    }

    fn notes(&self) -> String {
        let mut notes = String::new();
        File::open(self.folder.join("stderr.txt")).unwrap().read_to_string(&mut notes).unwrap();
        notes
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The shard that all share.
pub(crate) fn shard() -> ShardId {
    ShardId::new("shared").unwrap()
}

fn spawn(
    folder: &Path,
    listen: &str,
    trusted: Trusted,
    pins: &[Fingerprint],
) -> (Child, BufReader<ChildStdout>, Value) {
    // As many descriptors as most systems give a program.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -n 1024; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_vectr-command")]);
    command.arg("serve").arg(folder).args(["--node-id", "hub", "--listen", listen, "--no-http", "--json"]);
    // Sessions of a client that is gone would be waited for until it counts as silent.
    command.args(["--drain-seconds", "2"]);
    command.env_remove("QUIC_PINNED_FINGERPRINTS").env_remove("QUIC_CLUSTER_SECRET");
    match trusted {
        Trusted::BySecret => command.env("QUIC_CLUSTER_SECRET", SECRET),
        Trusted::ByPin => command.args(pins.iter().flat_map(|pin| ["--pin".to_owned(), pin.to_string()])),
    };
    let noted = File::create(folder.join("stderr.txt")).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(noted).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let started = serde_json::from_str(&line)
        .unwrap_or_else(|_| panic!("{line}{}", fs::read_to_string(folder.join("stderr.txt")).unwrap()));
    (child, output, started)
}

/// How long it may take to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Its name is that of the shard.
const FILE: &str = "shared.db";
const OTHER: &str = "other.db";
