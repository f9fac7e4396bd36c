use clap::CommandFactory;

use crate::commands::arguments::{Arguments, CompletionsArguments};
use crate::console::print;
use crate::error::CliError;

pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "vectr", &mut script);
    print(&String::from_utf8_lossy(&script))
}
