//! Nodes that share a certificate, and so the cursor and the list of held rows that a peer keeps of them.

use vectr_sim::run_shared_certificate;

// A live session claimed nothing of the peer any more once another node with the same certificate had synced.
#[test]
fn live_sessions_of_two_nodes_with_one_certificate_carry_all_and_fall_silent() {
    for seed in 0..200 {
        assert_eq!(run_shared_certificate(seed).failure, None, "seed {seed}");
    }
}
