//! The crash matrix: two databases insert, delete, sync, take new sites and repair what another program did to their rows,
//! on a disk where one write or one sync goes wrong, each one in turn. Whatever happens to it, what was called durable is
//! there afterwards, in what a power cut leaves as well as in what the process left, the files are sound, and both nodes
//! sync to the same state.

mod aftermath;
mod diary;
mod pair;
mod story;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use aftermath::Aftermath;

use super::SOURCE;
use crate::alone::turn;
use crate::preload;

#[test]
fn a_write_or_sync_that_goes_wrong_loses_nothing_that_was_called_durable() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let library = preload::library(folder.path(), SOURCE);
    let (writes, syncs) = Stage::new(&library, "").rehearse();
    let calls =
        (1..=writes).flat_map(|at| ["fails", "tears", "is lost"].map(|fate| format!("write {at} {fate}")));
    let calls =
        calls.chain((1..=syncs).flat_map(|at| ["fails", "is cut"].map(|fate| format!("sync {at} {fate}"))));
    let all: Vec<String> = calls.collect();
    let chosen: Vec<&String> = all.iter().step_by(stride()).collect();
    let (next, cuts, broken) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let play = || {
        while let Some(plan) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            let stage = Stage::new(&library, plan);
            let played = catch_unwind(AssertUnwindSafe(|| {
                cuts.fetch_add(usize::from(stage.play()), Ordering::Relaxed);
                stage.judge();
            }));
            broken.fetch_add(usize::from(played.is_err()), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(play);
        scope.spawn(play);
    });
    assert_eq!(broken.into_inner(), 0, "points of {} that broke a promise, see above", chosen.len());
    println!(
        "{writes} writes and {syncs} syncs of two databases, {} points, {} of them tried, {} power cuts: nothing lost",
        all.len(),
        chosen.len(),
        cuts.into_inner()
    );
}

/// The control: such a disk keeps no promise.
#[test]
fn a_disk_that_lies_is_caught_by_the_same_checks() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let library = preload::library(folder.path(), SOURCE);
    let stage = Stage::new(&library, "sync 0 lies");
    assert!(!stage.play());
    assert!(
        catch_unwind(AssertUnwindSafe(|| stage.judge())).is_err(),
        "what was durable is lost, and nobody saw it"
    );
}

/// Every how many points one is tried; 1 tries them all.
fn stride() -> usize {
    let given = std::env::var("VECTR_CRASH_STRIDE").ok();
    given.map_or(9, |stride| stride.parse().expect("VECTR_CRASH_STRIDE is a number"))
}

/// The folders of one run, and what goes wrong in it.
struct Stage<'p> {
    plan: &'p str,
    library: &'p Path,
    folder: tempfile::TempDir,
}

impl<'p> Stage<'p> {
    fn new(library: &'p Path, plan: &'p str) -> Self {
        // In memory, as the proof of continuity must be; what a power cut leaves is kept by the library.
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        for name in ["watched", "kept"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { plan, library, folder }
    }

    /// Runs to the end without a fault. Returns how many writes and syncs there were.
    fn rehearse(&self) -> (u64, u64) {
        assert!(!self.play(), "the power was cut without a plan");
        let counts = std::fs::read_to_string(self.path("counts")).unwrap();
        let (writes, syncs) = counts.trim().split_once(' ').unwrap();
        self.judge();
        let diary = std::fs::read_to_string(self.path("diary")).unwrap();
        assert!(
            diary.contains("repaired 3\nshared"),
            "the story repairs what another program altered: {diary}"
        );
        (writes.parse().unwrap(), syncs.parse().unwrap())
    }

    /// Whether the power was cut.
    fn play(&self) -> bool {
        let output = Command::new("timeout")
            .args(["120", std::env::current_exe().unwrap().to_str().unwrap()])
            .args(["--exact", "disk::crash_matrix::story::told", "--ignored", "--nocapture"])
            .env("LD_PRELOAD", self.library)
            .env("DISK_WATCHED", self.path("watched"))
            .env("DISK_KEPT", self.path("kept"))
            .env("DISK_COUNTS", self.path("counts"))
            .env("DISK_PLAN", self.plan)
            .env("STORY_FOLDER", self.folder.path())
            .output()
            .unwrap();
        let code = output.status.code();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(code, Some(0 | POWER_CUT)), "'{}': {code:?} {said}", self.plan);
        code == Some(POWER_CUT)
    }

    /// Looks at what a power cut would leave now, and at what the process has left.
    fn judge(&self) {
        let diary = diary::read(&self.path("diary"));
        let after = |files: PathBuf, runtime: PathBuf, of: &'static str| Aftermath {
            plan: self.plan,
            of,
            files,
            runtime,
        };
        after(self.path("kept"), self.path("another-boot"), "a power cut").judge(&diary);
        after(self.path("watched"), self.path("runtime"), "the end of the process").judge(&diary);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

const POWER_CUT: i32 = 137;
