//! A crate that uses SQLite by the newest rusqlite, and this project's databases.

pub use rusqlite::Connection;
pub use vectr_core::VectrDB;
