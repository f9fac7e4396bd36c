//! The simulator finds each deliberate fault, which shows that its checks are effective.

use vectr_sim::{Fault, run_seeds};

#[test]
fn a_join_that_filters_single_siblings_is_caught() {
    assert_caught(Fault::JoinOfSingleSiblings);
}

#[test]
fn a_version_vector_joined_before_the_end_is_caught() {
    assert_caught(Fault::VersionVectorBeforeEnd);
}

#[test]
fn a_version_vector_read_after_the_last_page_is_caught() {
    assert_caught(Fault::VersionVectorAfterPage);
}

#[test]
fn a_barrier_that_covers_local_changes_only_is_caught() {
    assert_caught(Fault::BarrierOfLocalChanges);
}

#[test]
fn a_change_id_that_is_used_again_is_caught() {
    assert_caught(Fault::ChangeIdUsedAgain);
}

#[test]
fn a_restored_copy_that_keeps_its_site_is_caught() {
    assert_caught(Fault::RestoredCopyKeepsSite);
}

#[test]
fn a_cursor_that_passes_a_row_held_back_earlier_in_the_session_is_caught() {
    assert_caught(Fault::CursorPassesHeldRow);
}

#[test]
fn a_clock_that_is_called_corrected_without_evidence_is_caught() {
    assert_caught(Fault::ClockWithoutEvidence);
}

#[test]
fn a_repair_of_single_siblings_is_caught() {
    assert_caught(Fault::RepairOfSingleSiblings);
}

#[test]
fn a_repair_that_moves_the_version_vector_is_caught() {
    assert_caught(Fault::RepairMovesVersionVector);
}

fn assert_caught(fault: Fault) {
    let outcome = run_seeds(0, SEEDS, Some(fault));
    let (seed, what) = outcome.failure.unwrap_or_else(|| panic!("{fault:?} went unnoticed in {SEEDS} seeds"));
    println!("{fault:?}: caught by seed {seed}: {what}");
}

const SEEDS: u64 = 200;
