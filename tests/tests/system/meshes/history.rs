use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use vectr_tests::Write;

/// Everything that all nodes were asked to write, and when.
///
/// All processes read one clock, and a version is stamped between the question and its answer: the version that is
/// shown in the end, the one with the greatest stamp, cannot have ended before another one was begun that was
/// acknowledged.
#[derive(Debug, Default)]
pub(super) struct History {
    by_vector: HashMap<(String, String), Vec<Asked>>,
}

#[derive(Debug, Clone)]
struct Asked {
    /// `None`: a delete.
    mark: Option<String>,
    begun: u64,
    ended: u64,
    acknowledged: bool,
}

impl History {
    /// Notes writes to a shard. `answer`: a digit for each; `None` where the process was killed before it gave one.
    pub(super) fn note(
        &mut self,
        shard: &str,
        writes: impl Iterator<Item = Write>,
        begun: u64,
        answer: Option<&str>,
    ) {
        let ended = now();
        let changed = |index: usize| answer.is_none_or(|digits| digits.as_bytes()[index] == b'1');
        for (_, write) in writes.enumerate().filter(|(index, _)| changed(*index)) {
            let asked =
                Asked { mark: write.put.map(|(mark, _)| mark), begun, ended, acknowledged: answer.is_some() };
            let vector = (shard.to_owned(), write.id.to_string());
            self.by_vector.entry(vector).or_default().push(asked);
        }
    }

    /// Checks what all nodes show of a shard, by id; returns how many vectors were ever written in it.
    pub(super) fn check(&self, shard: &str, shown: &BTreeMap<String, String>) -> usize {
        let written: BTreeMap<&str, &[Asked]> = self
            .by_vector
            .iter()
            .filter(|((of, _), _)| of == shard)
            .map(|((_, id), asked)| (id.as_str(), asked.as_slice()))
            .collect();
        for id in shown.keys() {
            assert!(written.contains_key(id.as_str()), "{shard}: nobody wrote '{id}'");
        }
        for (id, asked) in &written {
            check_vector(&format!("{shard}, {id}"), asked, shown.get(*id).map(String::as_str));
        }
        written.len()
    }
}

fn check_vector(what: &str, asked: &[Asked], shown: Option<&str>) {
    let Some(newest) = asked.iter().filter(|asked| asked.acknowledged).map(|asked| asked.begun).max() else {
        return;
    };
    // Nothing to see means that some delete came last: which one, nobody can tell.
    let possible = asked.iter().filter(|asked| asked.mark.as_deref() == shown);
    let Some(ended) = possible.map(|asked| asked.ended).max() else {
        panic!("{what}: {shown:?} is shown, which nobody wrote: {asked:?}");
    };
    assert!(
        ended >= newest,
        "{what}: {shown:?} is shown, older than a write that was acknowledged: {asked:?}"
    );
}

/// Microseconds since 1970.
pub(super) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(now.as_micros()).expect("it fits for half a million years")
}

#[test]
#[should_panic(expected = "older than a write that was acknowledged")]
fn a_lost_write_is_found() {
    let asked =
        |mark: &str, begun, ended| Asked { mark: Some(mark.to_owned()), begun, ended, acknowledged: true };
    check_vector("v", &[asked("old", 1, 2), asked("new", 3, 4)], Some("old"));
}
