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
fn a_cursor_that_passes_a_held_row_without_the_list_is_caught() {
    assert_caught(Fault::HeldRowsUnlisted);
}

#[test]
fn an_end_that_is_taken_over_without_regard_to_the_list_is_caught() {
    assert_caught(Fault::EndIgnoresHeldRows);
}

#[test]
fn a_row_that_leaves_the_list_when_it_is_asked_for_is_caught() {
    assert_caught(Fault::HeldRowsLeaveEarly);
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

#[test]
fn a_failed_sync_that_counts_is_caught() {
    assert_caught(Fault::FailedSyncCounts);
}

#[test]
fn a_sync_after_a_failed_one_that_counts_is_caught() {
    assert_caught(Fault::SyncAfterFailureCounts);
}

#[test]
fn a_sync_of_a_log_left_by_another_process_that_counts_is_caught() {
    assert_caught(Fault::LeftLogCounts);
}

#[test]
fn a_failed_checkpoint_that_counts_is_caught() {
    assert_caught(Fault::FailedCheckpointCounts);
}

#[test]
fn a_hello_that_is_completed_from_any_session_is_caught() {
    assert_caught(Fault::SinceOfAnySession);
}

#[test]
fn a_clone_that_goes_unnoticed_is_caught() {
    assert_caught(Fault::CloneGoesUnnoticed);
}

#[test]
fn digests_that_are_not_compared_beyond_the_version_vector_are_caught() {
    assert_caught(Fault::LooseShardsDiffer);
}

#[test]
fn claims_that_wake_no_session_are_caught() {
    assert_caught(Fault::ClaimsWakeNobody);
}

#[test]
fn a_feed_that_passes_over_rows_is_caught() {
    assert_caught(Fault::FeedPassesOver);
}

#[test]
fn a_session_that_goes_back_to_an_earlier_page_of_a_feed_is_caught() {
    assert_caught(Fault::FeedGoesBack);
}

#[test]
fn a_feed_whose_end_claims_what_came_later_is_caught() {
    assert_caught(Fault::FeedClaimsMore);
}

#[test]
fn a_feed_that_is_sent_without_a_barrier_is_caught() {
    assert_caught(Fault::FeedWithoutBarrier);
}

fn assert_caught(fault: Fault) {
    let outcome = run_seeds(0, SEEDS, Some(fault));
    let (seed, what) = outcome.failure.unwrap_or_else(|| panic!("{fault:?} went unnoticed in {SEEDS} seeds"));
    println!("{fault:?}: caught by seed {seed}: {what}");
}

const SEEDS: u64 = 200;
