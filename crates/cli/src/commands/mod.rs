//! The commands and their arguments.

pub(crate) mod arguments;
pub(crate) mod completions;
pub(crate) mod each_file;
pub(crate) mod identity;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod verify;
