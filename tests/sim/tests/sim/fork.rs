//! A copied file that keeps the original's identity.

use vectr_sim::run_unnoticed_clone;

#[test]
fn a_copy_that_keeps_its_site_is_noticed_in_a_sync_and_takes_a_new_one() {
    for seed in 0..200 {
        let outcome = run_unnoticed_clone(seed);
        assert_eq!(outcome.failure, None, "seed {seed}");
        assert!(outcome.forks > 0, "seed {seed}: nobody noticed");
    }
}
