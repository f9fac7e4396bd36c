use std::ffi::OsString;

use clap::Parser;
use vectr_sync::{CancellationToken, SyncError};

use crate::commands::arguments::{Arguments, Command};
use crate::commands::completions::completions;
use crate::commands::identity::identity;
use crate::commands::serve::serve;
use crate::commands::status::status;
use crate::commands::sync::sync;
use crate::commands::verify::verify;
use crate::console::{note, report};
use crate::error::{CliError, Failure};

/// Exit code of an interrupted command.
pub const INTERRUPTED: u8 = 130;

/// Runs the command with these arguments, without the program's name, and returns its exit code. Prints to the
/// process's standard output and standard error. Needs a tokio runtime.
///
/// `stop` interrupts it: `serve` then drains and succeeds, every other command ends at once.
pub async fn run(arguments: impl IntoIterator<Item = impl Into<OsString>>, stop: CancellationToken) -> u8 {
    let words = arguments.into_iter().map(Into::into);
    let parsed = Arguments::try_parse_from(std::iter::once("vectr".into()).chain(words));
    let Arguments { json, command } = match parsed {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are printed here, too.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(1);
        }
    };
    match execute(command, json, stop).await {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => fail(&error, json),
    }
}

/// Whether the command succeeded.
async fn execute(command: Command, json: bool, mut stop: CancellationToken) -> Result<bool, CliError> {
    match command {
        Command::Sync(arguments) => return sync(arguments, json, stop).await,
        Command::Serve(arguments) => return serve(arguments, json, stop).await.map(|()| true),
        _ => {}
    }
    let work = tokio::task::spawn_blocking(move || match command {
        Command::Identity(arguments) => identity(&arguments, json).map(|()| true),
        Command::Status(arguments) => status(&arguments, json),
        Command::Verify(arguments) => verify(&arguments, json),
        Command::Completions(arguments) => completions(&arguments).map(|()| true),
        Command::Sync(_) | Command::Serve(_) => unreachable!("they were run above"),
    });
    tokio::select! {
        done = work => done.unwrap_or(Err(CliError::Stopped)),
        () = stop.cancelled() => Err(CliError::Stopped),
    }
}

fn fail(error: &CliError, json: bool) -> u8 {
    if error.is_broken_pipe() {
        return 1;
    }
    if json {
        // The exit code reports the failure as well.
        let _ = report(true, &Failure::of(error, None), |_| String::new());
    }
    note(&format!("{}: {error}", error.code()));
    match error {
        CliError::Stopped | CliError::Sync(SyncError::Aborted) => INTERRUPTED,
        _ => 1,
    }
}
