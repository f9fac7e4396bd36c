//! A live sync of two processes that goes on: one writes 100 vectors a second, with 50 listeners at the other. Memory
//! must be level.
//!
//! `steady [seconds]`, default 600. Prints the resident size of both every few seconds, and ends with 1 where one of
//! them grows: where a straight line through the samples of the second half rises by more than 2 MB and three times
//! their standard deviation from it. Linux only.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use vectr_benches::BenchError;
use vectr_tests::steady::{SteadyRun, write_steadily};

#[tokio::main]
async fn main() -> Result<ExitCode, BenchError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => run(600).await,
        [seconds] => run(seconds.parse()?).await,
        [role, folder] if role == "write" => {
            write_steadily(Path::new(folder)).await?;
            Ok(ExitCode::SUCCESS)
        }
        _ => Err("usage: steady [seconds]".into()),
    }
}

async fn run(seconds: u64) -> Result<ExitCode, BenchError> {
    let folder = tempfile::tempdir()?;
    let mut writer = Command::new(std::env::current_exe()?);
    writer.arg("write").arg(folder.path());
    let run = SteadyRun {
        duration: Duration::from_secs(seconds),
        interval: Duration::from_millis(1_000),
        tolerance: 2_000_000,
        listeners: 50,
    };
    println!("| seconds | listening, MB | writing, MB |\n|---:|---:|---:|");
    let mut looks = 0;
    let look = |elapsed: Duration, [listening, writing]: [u64; 2]| {
        if looks % 5 == 0 {
            let [listening, writing] = [listening, writing].map(|bytes| bytes as f64 / 1e6);
            println!("| {:.0} | {listening:.1} | {writing:.1} |", elapsed.as_secs_f64());
        }
        looks += 1;
    };
    let verdict = run.run(folder.path(), &mut writer, look).await?;
    println!("\nall {} listeners heard of all {} changes", run.listeners, verdict.changes);
    println!("listening {}\nwriting {}", verdict.listening, verdict.writing);
    let is_level = verdict.listening.is_level() && verdict.writing.is_level();
    Ok(if is_level { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
