//! Which file needs which, and the circles in that.

use std::collections::{BTreeMap, BTreeSet};

/// Files with the files that they import from, and one name that each import is about.
#[derive(Debug, Default)]
pub(crate) struct Graph(BTreeMap<String, BTreeMap<String, String>>);

impl Graph {
    /// Notes that `from` imports `name`, which `to` defines.
    pub(crate) fn add(&mut self, from: &str, to: &str, name: String) {
        if from != to {
            self.0.entry(from.to_owned()).or_default().entry(to.to_owned()).or_insert(name);
        }
    }

    pub(crate) fn imports(&self, from: &str, to: &str) -> bool {
        self.0.get(from).is_some_and(|needed| needed.contains_key(to))
    }

    /// The largest sets of files each of which imports every other one, directly or through files of the set.
    pub(crate) fn circles(&self) -> Vec<BTreeSet<&str>> {
        let reachable: BTreeMap<&str, BTreeSet<&str>> =
            self.0.keys().map(|file| (file.as_str(), self.reachable(file))).collect();
        let circle = |file: &&str| {
            let others = reachable[file].iter().copied();
            let back = |other: &&str| reachable.get(other).is_some_and(|found| found.contains(file));
            others.filter(back).collect::<BTreeSet<_>>()
        };
        let circles: BTreeSet<_> = reachable.keys().map(circle).filter(|files| !files.is_empty()).collect();
        circles.into_iter().collect()
    }

    /// The circles, with each import that is part of one.
    pub(crate) fn describe_circles(&self) -> String {
        let mut text = String::new();
        for files in self.circles() {
            text += &format!("{} files import each other in a circle:\n", files.len());
            for from in &files {
                let inside = self.0[*from].iter().filter(|(to, _)| files.contains(to.as_str()));
                text.extend(inside.map(|(to, name)| format!("  {from} -> {to} ({name})\n")));
            }
        }
        text
    }

    fn reachable(&self, start: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open = vec![start];
        while let Some(file) = open.pop() {
            for next in self.0.get(file).into_iter().flat_map(BTreeMap::keys) {
                if found.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        found
    }
}
