//! The program in a process of its own, on real files.
#![cfg_attr(not(unix), allow(dead_code, reason = "only the tests of serve use all of it"))]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use vectr_core::{Target, VectrDB};
use vectr_delta::{Metadata, Payload, ShardId, VectorId};

/// A folder for databases, and one for the proofs of their continuity.
pub(crate) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A closed database with `count` vectors in its default shard, which is the file's stem.
    pub(crate) fn database(&self, name: &str, count: u32) -> PathBuf {
        let db = self.open(name);
        write(&db, 0..count);
        db.close().unwrap();
        self.path(name)
    }

    pub(crate) fn open(&self, name: &str) -> VectrDB {
        VectrDB::open(self.path(name)).unwrap()
    }

    /// The program, to be given arguments.
    pub(crate) fn vectr(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vectr"));
        command.env_remove("QUIC_PINNED_FINGERPRINTS");
        command.current_dir(self.folder.path());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.vectr().args(arguments).output().unwrap())
    }
}

pub(crate) fn shard(name: &str) -> ShardId {
    ShardId::new(name).unwrap()
}

/// Writes vectors `v0`, `v1`, ... into the default shard.
pub(crate) fn write(db: &VectrDB, numbers: std::ops::Range<u32>) {
    let transaction = db.begin().unwrap();
    for n in numbers {
        let metadata = Metadata::new(&format!(r#"{{"n":{n}}}"#)).unwrap();
        let payload = Payload::from_components(&[n as f32, 1.0, 2.0, 3.0], Some(metadata)).unwrap();
        let at = Target { shard: db.default_shard(), transaction: Some(transaction) };
        db.upsert(at, &VectorId::new(&format!("v{n}")).unwrap(), payload).unwrap();
    }
    db.commit(transaction).unwrap();
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Its only line, as JSON.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }

    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// `vectr serve` in a process of its own, on free ports. Killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) started: Value,
}

impl Server {
    pub(crate) fn start(scratch: &Scratch, served: &Path, more: &[&str]) -> Self {
        let mut command = scratch.vectr();
        command.arg("serve").arg(served).args(["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--json"]);
        let mut child = command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let Ok(started) = serde_json::from_str::<Value>(&line) else {
            panic!("it did not start: {line}{}", Ran::from(child.wait_with_output().unwrap()).err)
        };
        assert!(started["listen"].is_string(), "{started}");
        Self { child, out, started }
    }

    pub(crate) fn address(&self) -> &str {
        self.started["listen"].as_str().unwrap()
    }

    /// Status and body of what it answers over HTTP.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let address = self.started["http"].as_str().unwrap().strip_prefix("http://").unwrap();
        request(address, path, address)
    }

    /// Sends it a signal, as `kill -NAME`.
    pub(crate) fn signal(&self, name: &str) {
        // The shell's own: a bare machine has no other.
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.child.id())).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end: the exit code, and what else it said on standard output and standard error.
    pub(crate) fn ended(&mut self) -> Ran {
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        Ran { code: self.child.wait().unwrap().code(), out, err }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP request under a given host name.
pub(crate) fn request(address: &str, path: &str, host: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
