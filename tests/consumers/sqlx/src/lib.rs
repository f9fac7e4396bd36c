//! A crate that uses SQLite by sqlx, and this project's databases.

pub use sqlx::SqlitePool;
pub use vectr_core::VectrDB;
