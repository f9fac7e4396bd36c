use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A node in a process of its own, which can be killed: `vectr-test-node`, driven over its standard input and output.
pub struct NodeProcess {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// What a node said of a sync, or how far it came before it was gone.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// `None`: the process ended, or the sync failed with this code.
    pub outcome: Option<Result<Finished, String>>,
    /// The last number of applied rows that it told.
    pub applied: u64,
}

/// Of a sync that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Rows sent.
    pub sent: u64,
    /// Rows applied.
    pub applied: u64,
    /// The shard's digest.
    pub digest: String,
}

impl NodeProcess {
    /// Starts a node on a database file. `program` is `env!("CARGO_BIN_EXE_vectr-test-node")`.
    ///
    /// # Panics
    /// Where the process cannot be started.
    #[must_use]
    pub fn start(program: &str, database: &Path) -> Self {
        Self::spawn(Command::new(program).arg(database))
    }

    /// As [`NodeProcess::start`], with the name that a new database gets, and how often a sync is tried again.
    ///
    /// # Panics
    /// Where the process cannot be started.
    #[must_use]
    pub fn start_named(program: &str, database: &Path, name: &str, retries: u32) -> Self {
        Self::spawn(Command::new(program).arg(database).arg(name).arg(retries.to_string()))
    }

    /// Sends a command and returns the rest of the line that answers it.
    ///
    /// # Panics
    /// Where the process is gone.
    pub fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.next_line().unwrap_or_else(|| panic!("the node is gone at '{command}'"))
    }

    /// Sends a command whose answer nobody waits for yet.
    pub fn tell(&mut self, command: &str) {
        // A process that is gone shows when its answer is read.
        let _ = writeln!(self.input, "{command}");
    }

    /// Starts a sync with the node at `address`; a shard may stand before the address.
    pub fn begin_sync(&mut self, address: &str) {
        self.tell(&format!("sync {address}"));
    }

    /// Waits until the running sync has applied `rows`, or is over. `true`: it is still running.
    pub fn wait_for(&mut self, rows: u64, report: &mut Report) -> bool {
        while report.applied < rows {
            if !self.step(report) {
                return false;
            }
        }
        true
    }

    /// Waits for the end of the running sync, or of the process.
    pub fn finish_sync(&mut self, report: &mut Report) {
        while self.step(report) {}
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// Where the system refuses.
    pub fn kill(mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    /// Closes the node properly.
    ///
    /// # Panics
    /// Where it ends with an error.
    pub fn close(mut self) {
        self.tell("close");
        let status = self.child.wait().expect("it is our child");
        assert!(status.success(), "the node ended with {status}");
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Self { child, input, output }
    }

    fn step(&mut self, report: &mut Report) -> bool {
        let Some(line) = self.next_line() else { return false };
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["applied", rows] => {
                report.applied = rows.parse().expect("a number");
                true
            }
            ["done", sent, applied, digest] => {
                let number = |text: &str| text.parse().expect("a number");
                report.outcome = Some(Ok(Finished {
                    sent: number(sent),
                    applied: number(applied),
                    digest: (*digest).to_owned(),
                }));
                false
            }
            ["failed", code] => {
                report.outcome = Some(Err((*code).to_owned()));
                false
            }
            _ => panic!("unexpected line: {line}"),
        }
    }

    fn next_line(&mut self) -> Option<String> {
        self.output.next()?.ok()
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
