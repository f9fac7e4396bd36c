//! Commands that take several files.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::console::{note, print, report};
use crate::error::{CliError, Failure};

/// What a command has to say of one file.
pub(crate) struct Answer<T> {
    pub(crate) document: T,
    pub(crate) text: String,
    /// Whether all is well with the file.
    pub(crate) success: bool,
}

/// Asks `about` of each file and reports all answers: in JSON as one document for one file, and as an array for several.
/// A file that fails hides no other. Returns whether all is well with all files.
///
/// # Errors
/// That of the only file.
pub(crate) fn report_each<T: Serialize>(
    files: &[PathBuf],
    json: bool,
    about: impl Fn(&Path) -> Result<Answer<T>, CliError>,
) -> Result<bool, CliError> {
    if let [file] = files {
        let answer = about(file)?;
        report(json, &answer.document, |_| answer.text)?;
        return Ok(answer.success);
    }
    let (mut documents, mut success) = (Vec::new(), true);
    for (at, file) in files.iter().enumerate() {
        match about(file) {
            Ok(answer) => {
                success &= answer.success;
                if !json {
                    print(&format!("{}{}", if at == 0 { "" } else { "\n" }, answer.text))?;
                }
                documents.push(Document::Answer(answer.document));
            }
            Err(error) => {
                success = false;
                note(&format!("{}: {error}", error.code()));
                documents.push(Document::Failure(Failure::of(&error, Some(file))));
            }
        }
    }
    if json {
        report(true, &documents, |_| String::new())?;
    }
    Ok(success)
}

#[derive(Serialize)]
#[serde(untagged)]
enum Document<T> {
    Answer(T),
    Failure(Failure),
}
