//! Eight nodes as processes, eight shards each: all write, are killed and come back while they sync. Then, with writes
//! stopped, rounds of syncs between neighbours bring all shards to the same digest everywhere, and nothing that was
//! acknowledged is gone.

mod fleet;
mod history;
mod member;
mod shape;

use vectr_tests::Random;

use fleet::Fleet;
use shape::Shape;

use crate::alone::turn;

/// Rounds beyond the diameter: within each round every pair of neighbours syncs, so that none should be needed.
const SPARE_ROUNDS: usize = 1;

#[test]
fn a_mesh_converges() {
    converges(Shape::Mesh);
}

#[test]
fn a_star_converges() {
    converges(Shape::Star);
}

#[test]
fn a_ring_converges() {
    converges(Shape::Ring);
}

#[test]
fn a_tree_converges() {
    converges(Shape::Tree);
}

fn converges(shape: Shape) {
    let _turn = turn();
    let seed = Random::seed("VECTR_MESH_SEED");
    let bound = shape.diameter(fleet::NODES) + SPARE_ROUNDS;
    let folder = tempfile::tempdir().unwrap();
    let mut fleet = Fleet::start(shape, folder.path(), seed);
    let tally = fleet.live_dangerously();
    fleet.stop_auto_syncs();
    fleet.write_once_more();
    assert!(!fleet.is_equal(), "{shape:?}: nothing is left for the rounds to do");
    let mut rounds = 0;
    while !fleet.is_equal() {
        assert!(rounds < bound, "{shape:?}: not equal after {rounds} rounds");
        fleet.sync_round();
        rounds += 1;
    }
    println!("{shape:?}, seed {seed}: {tally}; equal after {rounds} rounds, at most {bound} expected");
    let checked = fleet.check_files_and_history();
    println!("{shape:?}: {checked} vectors show what was acknowledged, all files are whole");
    assert!(tally.kills > 0 && tally.syncs > 0, "{shape:?}: {tally}");
    fleet.close();
}
