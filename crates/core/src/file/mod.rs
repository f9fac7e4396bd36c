//! A database file as the file system has it: which file a path leads to, who has it open, and whether the log beside it
//! belongs to it.
//!
//! Closing any descriptor of a file drops the POSIX locks that SQLite holds on it for the whole process, and the next
//! program that looks at the file then takes the log in use for a leftover. So the bytes of a file are read here only
//! while this process has no handle of it ([`open_files`]).

pub(crate) mod header;
pub(crate) mod location;
pub(crate) mod lock_holder;
pub(crate) mod log;
pub(crate) mod log_frames;
pub(crate) mod open_files;
pub(crate) mod presence;
pub(crate) mod quiet_reader;
