//! Transactions that wait for their turn.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use vectr_core::{CoreError, TransactionId, VectrDB};

use crate::support::{Scratch, both, put};

fn begin_in_turn(db: &VectrDB) -> Receiver<Result<TransactionId, CoreError>> {
    let (done, begun) = channel();
    db.begin_in_turn(move |outcome| done.send(outcome).unwrap());
    begun
}

#[test]
fn transactions_begin_one_after_the_other_in_the_order_in_which_they_were_asked_for() {
    both(|db| {
        let waiting: Vec<_> = (0..3).map(|_| begin_in_turn(db)).collect();
        for (place, turn) in waiting.iter().enumerate() {
            let transaction = turn.recv().unwrap().unwrap();
            assert!(waiting[place + 1..].iter().all(|later| later.try_recv().is_err()));
            db.commit(transaction).unwrap();
        }
        put(db, "after", &[1.0]);
    });
}

#[test]
fn a_transaction_behind_one_that_never_ends_is_refused_after_the_busy_timeout() {
    // It used to wait for ever.
    let scratch = Scratch::new();
    let db = VectrDB::new(scratch.config("a.db").busy_timeout(Duration::from_millis(30))).unwrap();
    let stuck = db.begin().unwrap();
    let waiting: Vec<_> = (0..3).map(|_| begin_in_turn(&db)).collect();
    for turn in waiting {
        let error = turn.recv().unwrap().unwrap_err();
        assert!(error.code() == "ERR_BUSY" && error.to_string().contains("30ms"), "{error}");
    }
    db.rollback(stuck).unwrap();
    let next = begin_in_turn(&db).recv().unwrap().unwrap();
    db.commit(next).unwrap();
}

#[test]
fn a_close_ends_the_wait_for_a_turn() {
    both(|db| {
        let _stuck = db.begin().unwrap();
        let waiting = begin_in_turn(db);
        db.close().unwrap();
        assert_eq!(waiting.recv().unwrap().unwrap_err().code(), "ERR_CLOSED");
        assert_eq!(begin_in_turn(db).recv().unwrap().unwrap_err().code(), "ERR_CLOSED");
    });
}
