//! What the story's process tried and what it was told, written down outside of the failing disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Written while the story runs. Each line is one write to the file, so that a power cut loses none.
pub(super) struct Diary(File);

impl Diary {
    pub(super) fn begin(path: &Path) -> Self {
        Self(File::create(path).unwrap())
    }

    pub(super) fn note(&mut self, line: &str) {
        self.0.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// What the diary says at the end.
#[derive(Default)]
pub(super) struct Account {
    /// For each number of an attempt: whether it deletes, and its vectors.
    pub(super) tried: BTreeMap<u64, (bool, Vec<String>)>,
    /// For each database and vector the greatest number of an attempt that it called durable.
    pub(super) durable: BTreeMap<(String, String), u64>,
    /// The databases and vectors that another program has altered since the nodes last held the same.
    pub(super) altered: BTreeSet<(String, String)>,
}

/// Lines: `tried puts|deletes NUMBER ID...`; `done NODE NUMBER`, the attempt succeeded; `durable NODE`, so is all that
/// it has done; `shared`, each node holds durably what either has done; `altered NODE ID...`, another program changes or
/// removes these vectors of a node; `repaired NUMBER`, so many have come back.
pub(super) fn read(path: &Path) -> Account {
    let mut account = Account::default();
    let mut done: Vec<(String, u64)> = Vec::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["tried", kind, number, ref ids @ ..] => {
                let ids = ids.iter().map(|id| (*id).to_owned()).collect();
                account.tried.insert(number.parse().unwrap(), (kind == "deletes", ids));
            }
            ["done", node, number] => done.push((node.to_owned(), number.parse().unwrap())),
            ["durable", node] => account.call_durable(node, done.iter().filter(|(by, _)| by == node)),
            ["altered", node, ref ids @ ..] => {
                account.altered.extend(ids.iter().map(|id| (node.to_owned(), (*id).to_owned())));
            }
            ["repaired", _] => {}
            ["shared"] => {
                account.altered.clear();
                for node in super::story::NODES {
                    account.call_durable(node, done.iter());
                }
            }
            _ => panic!("not a line of a diary: {line}"),
        }
    }
    account
}

impl Account {
    fn call_durable<'d>(&mut self, node: &str, done: impl Iterator<Item = &'d (String, u64)>) {
        for (_, number) in done {
            for id in &self.tried[number].1 {
                let newest = self.durable.entry((node.to_owned(), id.clone())).or_default();
                *newest = (*newest).max(*number);
            }
        }
    }

    pub(super) fn is_altered(&self, node: &str) -> bool {
        self.altered.iter().any(|(of, _)| of == node)
    }

    /// Whether a node may show this of a vector, `None` where it shows none, when `least` was called durable.
    pub(super) fn allows(&self, id: &str, least: u64, shown: Option<u64>) -> bool {
        let tried = |number: u64, deletes: bool| {
            self.tried
                .get(&number)
                .is_some_and(|(kind, ids)| *kind == deletes && ids.iter().any(|one| one == id))
        };
        match shown {
            Some(number) => number >= least && tried(number, false),
            None => least == 0 || self.tried.range(least..).any(|(number, _)| tried(*number, true)),
        }
    }
}
