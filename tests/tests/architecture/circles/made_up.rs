//! The search for circles itself, on made-up trees.

use std::collections::BTreeMap;

use super::graph::Graph;
use super::{rust, typescript};

#[test]
fn two_files_that_name_each_other_are_a_circle() {
    let graph = of_crate(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub(crate) struct A(B);"),
        ("b.rs", "pub(crate) struct B; fn f() { super::a::A::new(); }"),
    ]);
    assert_eq!(circles(&graph), [["a.rs", "b.rs"]]);
}

#[test]
fn one_direction_is_no_circle() {
    let graph = of_crate(&[
        ("lib.rs", "mod a; mod b; pub use a::A;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "pub(crate) struct B;"),
    ]);
    assert!(circles(&graph).is_empty());
    assert!(graph.imports("a.rs", "b.rs") && !graph.imports("b.rs", "a.rs"));
}

#[test]
fn a_circle_goes_through_a_third_file() {
    let graph = of_crate(&[
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b::B; pub(crate) struct A;"),
        ("b.rs", "use crate::c::C; pub(crate) struct B;"),
        ("c.rs", "use crate::{a::A, d::D}; pub(crate) struct C;"),
        ("d.rs", "pub(crate) struct D;"),
    ]);
    assert_eq!(circles(&graph), [["a.rs", "b.rs", "c.rs"]]);
}

#[test]
fn a_re_export_leads_to_the_file_that_defines_the_item() {
    let graph = of_crate(&[
        ("lib.rs", "mod wing; mod low; pub use wing::{Door as Gate, Room};"),
        ("wing/mod.rs", "mod door; mod room; pub use door::Door; pub(crate) use self::room::*;"),
        ("wing/door.rs", "use super::Room; pub struct Door;"),
        ("wing/room.rs", "use crate::low::f; pub struct Room;"),
        ("low.rs", "use crate::Gate; pub(crate) fn f() {}"),
    ]);
    // Nobody imports from the table of contents, which is in no circle.
    assert_eq!(circles(&graph), [["low.rs", "wing/door.rs", "wing/room.rs"]]);
}

#[test]
fn a_parent_that_defines_what_its_child_needs_must_not_need_the_child() {
    let child = ("wing/door.rs", "use super::Wing; pub struct Door;");
    let listed = "mod door; pub use door::Door; pub struct Wing;";
    assert!(circles(&of_crate(&[("lib.rs", "mod wing;"), ("wing/mod.rs", listed), child])).is_empty());
    let needed = "mod door; pub use door::Door; pub struct Wing(Door);";
    let graph = of_crate(&[("lib.rs", "mod wing;"), ("wing/mod.rs", needed), child]);
    assert_eq!(circles(&graph), [["wing/door.rs", "wing/mod.rs"]]);
}

#[test]
fn a_path_through_an_imported_module_counts() {
    let graph = of_crate(&[
        ("lib.rs", "mod a; mod wing;"),
        ("a.rs", "use crate::wing; pub(crate) fn f() { wing::deep::g() }"),
        // A module in a file beside the folder of its children.
        ("wing.rs", "pub(crate) mod deep;"),
        ("wing/deep.rs", "pub(crate) fn g() { matches!(1, _ if crate::a::f()) }"),
    ]);
    assert_eq!(circles(&graph), [["a.rs", "wing/deep.rs"]]);
}

#[test]
fn tests_comments_and_texts_import_nothing() {
    let graph = of_crate(&[
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod only_tests;"),
        ("a.rs", "use crate::b::B; pub(crate) struct A;"),
        (
            "b.rs",
            r#"
            //! Of [`crate::a::A`].
            /// crate::a::A
            pub(crate) struct B;
            const TEXT: &str = "crate::a::A";
            #[cfg(test)]
            use crate::{a::A, b};
            impl B {
                #[cfg(test)]
                fn f() { crate::a::g() }
            }
            #[cfg(test)]
            mod tests { use crate::a::A; }
            "#,
        ),
    ]);
    assert!(circles(&graph).is_empty());
}

#[test]
fn an_inline_module_belongs_to_its_file() {
    let graph = of_crate(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub(crate) mod inner { use super::super::b::B; pub(crate) struct Inner; }"),
        ("b.rs", "pub(crate) struct B; fn f(_: crate::a::inner::Inner) {}"),
    ]);
    assert_eq!(circles(&graph), [["a.rs", "b.rs"]]);
}

#[test]
fn a_module_and_a_function_of_one_name_are_told_apart() {
    let graph = of_crate(&[
        ("lib.rs", "mod open; mod user; pub use open::open;"),
        ("open.rs", "use crate::user::User; pub fn open() {} pub(crate) struct Options;"),
        ("user.rs", "use crate::open; pub(crate) struct User; fn f() { open() }"),
    ]);
    assert_eq!(circles(&graph), [["open.rs", "user.rs"]]);
}

#[test]
fn names_of_other_crates_are_not_this_crates() {
    let graph = of_crate(&[
        ("lib.rs", "mod bytes; mod a;"),
        ("bytes.rs", "use crate::a::A; pub(crate) struct Own;"),
        ("a.rs", "use bytes::Bytes; pub(crate) struct A; fn f() -> std::io::Result<()> { serde::x() }"),
    ]);
    assert!(circles(&graph).is_empty());
}

#[test]
fn typescript_files_that_import_each_other_are_a_circle() {
    let graph = of_facade(&[
        ("index.ts", "export { a } from './a';\nexport * from './deep';"),
        ("a.ts", "import type { B } from './deep/b.js';\nimport 'node:fs';"),
        ("deep/index.ts", "export {\n  b,\n} from './b';"),
        ("deep/b.ts", "export type C = import('../c').C;"),
        ("c.ts", "import { a } from \"./a\";"),
    ]);
    assert_eq!(circles(&graph), [["a.ts", "c.ts", "deep/b.ts"]]);
}

#[test]
fn typescript_comments_and_texts_import_nothing() {
    let graph = of_facade(&[
        ("a.ts", "import { b } from './b';"),
        (
            "b.ts",
            "// import { a } from './a';\n/* from './a' */ const x = \"from './a'\"; const r = /it's/;\n",
        ),
    ]);
    assert!(circles(&graph).is_empty());
    assert!(graph.imports("a.ts", "b.ts"));
}

fn of_crate(files: &[(&str, &str)]) -> Graph {
    rust::imports(&tree(files), "lib.rs")
}

fn of_facade(files: &[(&str, &str)]) -> Graph {
    typescript::imports(&tree(files))
}

fn tree(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn circles(graph: &Graph) -> Vec<Vec<&str>> {
    graph.circles().into_iter().map(|files| files.into_iter().collect()).collect()
}
