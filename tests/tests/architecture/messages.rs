use crate::source::sources;

/// The browser's module is built without the code that writes values with `Debug`: a message that needs it would trap.
#[test]
fn no_message_of_the_core_needs_debug() {
    for source in ["crates/delta/src", "bindings/wasm/src"].iter().flat_map(|folder| sources(folder, &["rs"]))
    {
        // Implementations of `Debug` themselves may.
        let found = source.shipped_lines().find(|line| line.contains(":?}") && !line.contains("write!(f,"));
        assert_eq!(found, None, "{} words a message with Debug", source.path);
    }
}
