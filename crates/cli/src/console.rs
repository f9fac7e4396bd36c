use std::io::{self, Write};

use serde::Serialize;

use crate::error::CliError;

/// Writes all of `text` to standard output.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CliError::Output)
}

/// Writes a result: as JSON, or as formatted by `text`.
pub(crate) fn report<T: Serialize>(
    json: bool,
    result: &T,
    text: impl FnOnce(&T) -> String,
) -> Result<(), CliError> {
    if !json {
        return print(&text(result));
    }
    let mut document = serde_json::to_string(result).expect("results contain only JSON values");
    document.push('\n');
    print(&document)
}

/// Writes a message to standard error.
pub(crate) fn note(text: &str) {
    // Standard error may be closed.
    let _ = writeln!(io::stderr(), "vectr: {text}");
}
