//! The handle of a shard, and transactions as a closure.

use vectr_core::{CoreError, VectrDB};
use vectr_delta::{Metadata, Payload, ShardId, VectorId};

use crate::support::{Scratch, both};

#[test]
fn a_handle_takes_ids_and_vectors_in_every_form() {
    both(|db| {
        let notes = db.shard("notes").unwrap();
        let checked = (VectorId::new("f").unwrap(), Payload::try_from([6.0_f32]).unwrap());
        notes.insert("a", [1.0]).unwrap();
        notes.insert("b", &[2.0]).unwrap();
        notes.insert("c", &[3.0_f32][..]).unwrap();
        notes.insert("d", vec![4.0]).unwrap();
        notes.insert("e", ([5.0], r#"{"k":5}"#)).unwrap();
        notes.insert(checked.0, checked.1).unwrap();
        notes.insert("g", (&[7.0], Metadata::new("{}").unwrap())).unwrap();
        let id = notes.add(vec![8.0]).unwrap();
        assert_eq!(id.len(), "00000000-0000-7000-8000-000000000000".len());
        assert_eq!(notes.count().unwrap(), 8);
        assert_eq!(notes.get("e").unwrap().unwrap().metadata.unwrap().as_str(), r#"{"k":5}"#);
        assert_eq!(notes.get("e").unwrap().unwrap().vector, 5.0_f32.to_le_bytes()[..]);
        assert_eq!(db.shard(notes.id().clone()).unwrap().digest().unwrap(), notes.digest().unwrap());
        assert_eq!(db.count(&ShardId::new("notes").unwrap()).unwrap(), 8);
    });
}

#[test]
fn what_cannot_be_an_id_or_a_vector_is_refused_by_its_code() {
    both(|db| {
        let notes = db.shard("notes").unwrap();
        let code = |outcome: Result<(), CoreError>| outcome.unwrap_err().code();
        assert_eq!(db.shard("").unwrap_err().code(), "ERR_ARGUMENT");
        assert_eq!(code(notes.upsert("", &[1.0])), "ERR_ARGUMENT");
        assert_eq!(code(notes.upsert("a", &[f32::NAN])), "ERR_VECTOR");
        assert_eq!(code(notes.upsert("a", Vec::new())), "ERR_DIMENSIONS");
        assert_eq!(code(notes.upsert("a", (&[1.0], "[]"))), "ERR_ARGUMENT");
        notes.insert("a", &[1.0]).unwrap();
        assert_eq!(code(notes.insert("a", &[1.0])), "ERR_EXISTS");
        assert_eq!(code(notes.upsert("a", &[1.0, 2.0])), "ERR_DIMENSIONS");
        assert_eq!(code(notes.set_metadata("b", Metadata::new("{}").unwrap())), "ERR_NOT_FOUND");
        assert_eq!(notes.count().unwrap(), 1);
    });
}

#[test]
fn a_vector_is_changed_found_and_deleted_by_its_handle() {
    both(|db| {
        let notes = db.shard("notes").unwrap();
        notes.upsert("east", &[1.0, 0.0]).unwrap();
        notes.upsert("north", &[0.0, 1.0]).unwrap();
        notes.set_metadata("north", Metadata::new(r#"{"up":true}"#).unwrap()).unwrap();
        let hits = notes.search(&[0.1, 0.9], 1).unwrap();
        assert_eq!((hits.len(), &*hits[0].id), (1, "north"));
        assert_eq!(hits[0].metadata.as_ref().unwrap().as_str(), r#"{"up":true}"#);
        let listed = notes.iterate(true).unwrap().next_page(10).unwrap();
        assert_eq!(listed.iter().map(|vector| &*vector.id).collect::<Vec<_>>(), ["east", "north"]);
        assert!(notes.delete("north").unwrap() && !notes.delete("north").unwrap());
        assert_eq!(notes.get("north").unwrap(), None);
        assert_eq!(notes.statistics().unwrap().vectors, 1);
    });
}

#[test]
fn a_transaction_writes_all_or_nothing() {
    both(|db| {
        let kept = db.transaction(|transaction| {
            let (notes, tasks) = (transaction.shard("notes")?, transaction.shard("tasks")?);
            notes.insert("a", &[1.0])?;
            tasks.insert("b", &[1.0])?;
            assert!(notes.get("a")?.is_some());
            Ok(notes)
        });
        let lost = db.transaction(|transaction| {
            transaction.shard("notes")?.insert("c", &[1.0])?;
            transaction.shard("notes")?.insert("a", &[1.0])
        });
        assert_eq!(lost.unwrap_err().code(), "ERR_EXISTS");
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            db.transaction(|transaction| -> Result<(), CoreError> {
                transaction.shard("notes")?.insert("d", &[1.0])?;
                panic!("of the test");
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(kept.unwrap().get("a").unwrap_err().code(), "ERR_TRANSACTION");
        let counts = ["notes", "tasks"].map(|shard| db.shard(shard).unwrap().count().unwrap());
        assert_eq!(counts, [1, 1]);
        // Nothing is left open.
        db.transaction(|_| Ok(())).unwrap();
    });
}

#[test]
fn a_builder_opens_what_it_was_told() {
    let scratch = Scratch::new();
    let db = VectrDB::builder()
        .path(scratch.path("agent.db"))
        .runtime_dir(scratch.runtime_dir())
        .node("agent-1".try_into().unwrap())
        .dimensions(2.try_into().unwrap())
        .shard("notes".try_into().unwrap())
        .open()
        .unwrap();
    assert_eq!((db.node().as_deref(), &**db.default_shard()), (Some("agent-1"), "notes"));
    assert_eq!(db.shard("notes").unwrap().upsert("a", &[1.0]).unwrap_err().code(), "ERR_DIMENSIONS");
}
