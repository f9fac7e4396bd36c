//! The imports among the files of one Rust crate.

use std::collections::BTreeMap;

use super::graph::Graph;
use super::rust_file::{Use, Written};

/// Graph of a crate whose files are given by their paths, `root` (`lib.rs` or a program) among them.
pub(crate) fn imports(files: &BTreeMap<String, String>, root: &str) -> Graph {
    let mut tree = Tree { files, modules: Vec::new() };
    tree.add_file(root, None, String::new());
    tree.graph()
}

struct Tree<'a> {
    files: &'a BTreeMap<String, String>,
    modules: Vec<Module>,
}

struct Module {
    file: String,
    parent: Option<usize>,
    name: String,
    children: BTreeMap<String, usize>,
    written: Written,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Module(usize),
    /// An item, by the module that defines it.
    Item(usize),
}

impl Tree<'_> {
    fn add_file(&mut self, file: &str, parent: Option<usize>, name: String) -> usize {
        let text = &self.files[file];
        let (folder, stem) = file.rsplit_once('/').unwrap_or(("", file));
        let stem = stem.trim_end_matches(".rs");
        let is_top = parent.is_none() || stem == "mod";
        let below = if is_top { folder.to_owned() } else { join(folder, stem) };
        self.add(file, Written::parse(text), parent, name, &below)
    }

    fn add(
        &mut self,
        file: &str,
        mut written: Written,
        parent: Option<usize>,
        name: String,
        below: &str,
    ) -> usize {
        let (files, inline) = (std::mem::take(&mut written.files), std::mem::take(&mut written.inline));
        let id = self.modules.len();
        let children = BTreeMap::new();
        self.modules.push(Module { file: file.to_owned(), parent, name, children, written });
        for name in files {
            let places = [join(below, &format!("{name}.rs")), join(below, &format!("{name}/mod.rs"))];
            let place = places.into_iter().find(|place| self.files.contains_key(place));
            let place = place.unwrap_or_else(|| panic!("{file}: no file of module {name} below {below}"));
            let child = self.add_file(&place, Some(id), name.clone());
            self.modules[id].children.insert(name, child);
        }
        for (name, written) in inline {
            let child = self.add(file, written, Some(id), name.clone(), &join(below, &name));
            self.modules[id].children.insert(name, child);
        }
        id
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        for (id, module) in self.modules.iter().enumerate() {
            let imported = module.written.uses.iter().filter(|used| !self.is_contents(id, used));
            for used in imported {
                match self.resolve(id, &used.path, used.is_glob, 0) {
                    Some(Target::Item(of)) => self.note(&mut graph, id, of, &used.path),
                    Some(Target::Module(of)) if used.is_glob => self.note_all(&mut graph, id, of),
                    _ => {}
                }
            }
            for path in &module.written.paths {
                if let Some(Target::Item(of)) = self.resolve(id, path, false, 0) {
                    self.note(&mut graph, id, of, path);
                }
            }
        }
        graph
    }

    /// Whether a `use` only hands on what a module below defines: an entry in a table of contents.
    fn is_contents(&self, id: usize, used: &Use) -> bool {
        let target = self.resolve(id, &used.path, used.is_glob, 0);
        let Some(Target::Item(of) | Target::Module(of)) = target else { return false };
        let uses_it = used.name.as_ref().is_some_and(|name| self.modules[id].written.words.contains(name));
        used.is_public && !uses_it && self.is_below(of, id)
    }

    fn is_below(&self, mut module: usize, above: usize) -> bool {
        while let Some(parent) = self.modules[module].parent {
            if parent == above {
                return true;
            }
            module = parent;
        }
        false
    }

    fn note(&self, graph: &mut Graph, from: usize, to: usize, path: &[String]) {
        graph.add(&self.modules[from].file, &self.modules[to].file, path.join("::"));
    }

    /// `use module::*`: of everything that has a name there.
    fn note_all(&self, graph: &mut Graph, from: usize, of: usize) {
        let written = &self.modules[of].written;
        let named = written.defined.iter().chain(written.uses.iter().filter_map(|used| used.name.as_ref()));
        for name in named {
            if let Some(Target::Item(definer)) = self.look_up(of, name, false, 0) {
                self.note(graph, from, definer, &[self.modules[of].name.clone(), name.clone()]);
            }
        }
    }

    /// `as_module`: a module is meant where an item has the same name. `None`: nothing of this crate.
    fn resolve(&self, from: usize, path: &[String], as_module: bool, depth: usize) -> Option<Target> {
        let mut here = from;
        for (at, segment) in path.iter().enumerate() {
            match segment.as_str() {
                "crate" if at == 0 => here = 0,
                "self" if at == 0 => {}
                "super" => here = self.modules[here].parent?,
                name => {
                    let is_last = at + 1 == path.len();
                    match self.look_up(here, name, !is_last || as_module, depth) {
                        Some(Target::Module(module)) => here = module,
                        Some(item) => return Some(item),
                        // A macro made it, or it is of another crate.
                        None => return (at > 0).then_some(Target::Item(here)),
                    }
                }
            }
        }
        Some(Target::Module(here))
    }

    fn look_up(&self, module: usize, name: &str, as_module: bool, depth: usize) -> Option<Target> {
        if depth > MOST_RE_EXPORTS {
            return None;
        }
        let Module { written, children, .. } = &self.modules[module];
        let child = children.get(name).map(|child| Target::Module(*child));
        if let (Some(child), true) = (child, as_module) {
            return Some(child);
        }
        if written.defined.contains(name) {
            return Some(Target::Item(module));
        }
        let imported = written.uses.iter().filter(|used| used.name.as_deref() == Some(name));
        let mut imported = imported.filter_map(|used| self.resolve(module, &used.path, as_module, depth + 1));
        if let Some(found) = imported.next() {
            return Some(found);
        }
        child.or_else(|| {
            let globs = written.uses.iter().filter(|used| used.is_glob);
            let modules = globs.filter_map(|used| self.resolve(module, &used.path, true, depth + 1));
            let mut found = modules.filter_map(|target| match target {
                Target::Module(of) if of != module => self.look_up(of, name, as_module, depth + 1),
                _ => None,
            });
            found.next()
        })
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// More than any name passes through; ends the search where a `use` refers to itself.
const MOST_RE_EXPORTS: usize = 16;
