//! How far the changelogs of peers were read, and what was held back on the way.

mod cursor;
mod held_rows;

pub(crate) use cursor::{forget_cursors, read_cursor, write_cursor};
pub(crate) use held_rows::{forget_held_rows, hold_row, read_held_rows, read_held_stamp, release_row};
