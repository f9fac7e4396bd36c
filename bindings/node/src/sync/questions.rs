use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::threadsafe_function::ThreadsafeFunctionCallMode::NonBlocking;
use napi_derive::napi;
use tokio::sync::oneshot::{self, Receiver, Sender};
use vectr_core::StoredConflict;
use vectr_delta::ConflictId;
use vectr_sync::{ConflictCallback, ConflictDecision, ConflictOutcome};

use crate::sync::events::Wake;

/// What the engine asks, until JavaScript takes it, and what JavaScript waits for.
#[derive(Default)]
pub(crate) struct Questions(Mutex<Waiting>);

#[derive(Default)]
pub(crate) struct Waiting {
    pub(crate) questions: Vec<Question>,
    pub(crate) failures: Vec<ConflictFailure>,
    outcomes: HashMap<ConflictId, Sender<AnswerOutcome>>,
}

/// A conflict that the engine asks about.
pub(crate) struct Question {
    pub(crate) conflict: StoredConflict,
    /// Until it is answered.
    pub(crate) channels: Option<(Sender<ConflictDecision>, Receiver<AnswerOutcome>)>,
}

/// Why a conflict stays.
#[napi(object, object_from_js = false)]
pub struct ConflictFailure {
    /// The shard, unless all are meant.
    pub shard_id: Option<String>,
    /// The stable code to report.
    pub error_code: String,
    /// The code of the error itself.
    pub cause_code: String,
    /// The error.
    pub cause: String,
}

/// What became of an answer.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct AnswerOutcome {
    /// Whether it was written.
    pub resolved: bool,
    /// The conflict that is left after that.
    pub left: Option<String>,
    /// Why it was not.
    pub failure: Option<ConflictFailure>,
}

impl Questions {
    /// A callback that puts its questions here.
    pub(crate) fn callback(self: &Arc<Self>, wake: Wake) -> ConflictCallback {
        let (asking, telling, wake) = (Arc::clone(self), Arc::clone(self), Arc::new(wake));
        let wake_too = Arc::clone(&wake);
        ConflictCallback::new(move |conflict| {
            let answer = asking.ask(conflict);
            wake.call((), NonBlocking);
            async move {
                match answer.await {
                    Ok(decision) => decision,
                    // JavaScript has forgotten the question.
                    Err(_) => std::future::pending().await,
                }
            }
        })
        .on_outcome(move |outcome| {
            if telling.tell(outcome) {
                wake_too.call((), NonBlocking);
            }
        })
    }

    fn ask(&self, conflict: StoredConflict) -> Receiver<ConflictDecision> {
        let ((answer, decision), (outcome, told)) = (oneshot::channel(), oneshot::channel());
        let mut waiting = self.waiting();
        waiting.outcomes.insert(conflict.conflict, outcome);
        waiting.questions.push(Question { conflict, channels: Some((answer, told)) });
        decision
    }

    /// Whether there is something to take.
    fn tell(&self, outcome: &ConflictOutcome) -> bool {
        let (id, told) = match outcome {
            ConflictOutcome::Resolved { conflict, left } => {
                let left = left.as_ref().map(|left| left.conflict.to_string());
                (conflict.conflict, AnswerOutcome { resolved: true, left, failure: None })
            }
            ConflictOutcome::Failed { shard, conflict, failure, cause, .. } => {
                let failure = ConflictFailure {
                    shard_id: shard.as_ref().map(ToString::to_string),
                    error_code: failure.code.clone(),
                    cause_code: cause.code.clone(),
                    cause: cause.message.clone(),
                };
                let Some(id) = conflict else {
                    self.waiting().failures.push(failure);
                    return true;
                };
                (*id, AnswerOutcome { failure: Some(failure), ..AnswerOutcome::default() })
            }
            ConflictOutcome::Left { conflict } => (conflict.conflict, AnswerOutcome::default()),
            _ => return false,
        };
        if let Some(outcome) = self.waiting().outcomes.remove(&id) {
            // JavaScript may have forgotten the question.
            let _ = outcome.send(told);
        }
        false
    }

    pub(crate) fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
