use std::collections::HashMap;

use vectr_delta::{HeldRow, VectorId};

use crate::limits::bounds::MAX_ANSWERS;

/// How often each row was read for a peer that asks for it by id, in one session.
#[derive(Default)]
pub(crate) struct Answers {
    counts: HashMap<VectorId, u32>,
    /// What is being read.
    asked: Vec<VectorId>,
}

impl Answers {
    /// The peer asks for these. The reason to refuse it, if it has had an answer about one of them too often.
    pub(crate) fn ask(&mut self, ids: &[VectorId]) -> Result<(), String> {
        let spent = |id: &&VectorId| self.counts.get(*id).is_some_and(|count| *count >= MAX_ANSWERS);
        if let Some(id) = ids.iter().find(spent) {
            return Err(format!(
                "the peer has asked for vector '{id}' {MAX_ANSWERS} times in one session, and was answered each time"
            ));
        }
        self.asked = ids.to_vec();
        Ok(())
    }

    /// The first of them were read.
    pub(crate) fn note(&mut self, answered: usize) {
        for id in self.asked.drain(..).take(answered) {
            // The session refuses questions about more rows than a list has.
            if self.counts.len() < HeldRow::MAX_ROWS || self.counts.contains_key(&id) {
                *self.counts.entry(id).or_default() += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_a_few_times_and_one_that_was_not_reached_does_not_count() {
        let [one, two] = ["one", "two"].map(|id| VectorId::new(id).unwrap());
        let mut answers = Answers::default();
        for _ in 0..MAX_ANSWERS {
            answers.ask(&[one.clone(), two.clone()]).unwrap();
            answers.note(1);
        }
        assert!(answers.ask(&[two.clone(), one]).unwrap_err().contains("'one'"));
        answers.ask(&[two]).unwrap();
    }
}
