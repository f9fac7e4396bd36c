//! The writing process of a steady run, as a test starts it: `vectr-steady-node <folder>`.

use std::path::PathBuf;

use vectr_tests::steady::{Failure, write_steadily};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    write_steadily(&folder.ok_or("usage: vectr-steady-node <folder>")?).await
}
