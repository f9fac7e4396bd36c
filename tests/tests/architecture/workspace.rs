//! What Cargo says about the workspace.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// The project's root folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the package lies in the project")
}

/// Runs Cargo in the root, without touching the lock file, and returns what it printed.
pub(crate) fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(args).arg("--locked").current_dir(root()).output();
    let output = output.expect("the cargo that builds this test can be run");
    assert!(output.status.success(), "cargo {args:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// `cargo metadata` with the resolved graph.
pub(crate) struct Workspace(Value);

/// A package that a member asks for.
pub(crate) struct Requirement {
    pub(crate) member: String,
    pub(crate) name: String,
    /// `dev` or `build`; `None` for what is linked.
    pub(crate) kind: Option<String>,
}

impl Workspace {
    pub(crate) fn read() -> Self {
        let printed = cargo(&["metadata", "--format-version", "1"]);
        Self(serde_json::from_str(&printed).expect("cargo metadata prints JSON"))
    }

    /// Each member with the members that it depends on: not for its tests alone.
    pub(crate) fn arrows(&self) -> BTreeMap<String, BTreeSet<String>> {
        let members = self.members();
        let internal = |package: &Value| {
            let needed = list(&package["dependencies"]).filter(|dependency| dependency["kind"] != "dev");
            needed.map(|dependency| text(&dependency["name"])).filter(|name| members.contains(name)).collect()
        };
        self.member_packages().map(|package| (text(&package["name"]), internal(package))).collect()
    }

    /// What the members ask for by name, other members left out.
    pub(crate) fn requirements(&self) -> Vec<Requirement> {
        let members = self.members();
        let of = |package: &Value| {
            let member = text(&package["name"]);
            let required = list(&package["dependencies"]).map(move |dependency| Requirement {
                member: member.clone(),
                name: text(&dependency["name"]),
                kind: dependency["kind"].as_str().map(str::to_owned),
            });
            required.collect::<Vec<_>>()
        };
        self.member_packages().flat_map(of).filter(|required| !members.contains(&required.name)).collect()
    }

    /// The licences of all packages that name one.
    pub(crate) fn licences(&self) -> BTreeMap<String, String> {
        list(&self.0["packages"])
            .filter_map(|package| Some((text(&package["name"]), package["license"].as_str()?.to_owned())))
            .collect()
    }

    /// Everything that the named member links on any platform, itself included; not what only builds or tests it.
    pub(crate) fn linked_by(&self, member: &str) -> BTreeSet<String> {
        let start = self.member_packages().find(|package| package["name"] == member);
        let mut open = vec![text(&start.expect("the member exists")["id"])];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if seen.insert(id.clone()) {
                open.extend(self.normal_dependencies(&id));
            }
        }
        list(&self.0["packages"])
            .filter(|package| seen.contains(&text(&package["id"])))
            .map(|package| text(&package["name"]))
            .collect()
    }

    fn normal_dependencies(&self, id: &str) -> Vec<String> {
        let node = list(&self.0["resolve"]["nodes"]).find(|node| node["id"] == id);
        let node = node.expect("every package is in the resolved graph");
        list(&node["deps"])
            .filter(|dependency| list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null()))
            .map(|dependency| text(&dependency["pkg"]))
            .collect()
    }

    fn members(&self) -> BTreeSet<String> {
        self.member_packages().map(|package| text(&package["name"])).collect()
    }

    fn member_packages(&self) -> impl Iterator<Item = &Value> {
        let ids: BTreeSet<String> = list(&self.0["workspace_members"]).map(text).collect();
        list(&self.0["packages"]).filter(move |package| ids.contains(&text(&package["id"])))
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("cargo metadata has an array here").iter()
}

fn text(value: &Value) -> String {
    value.as_str().expect("cargo metadata has a string here").to_owned()
}
