use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{Float32ArraySlice, PromiseRaw};
use napi_derive::napi;
use vectr_delta::LocalWrite;

use crate::columns::{copy, payload};
use crate::database::conflict::ConflictRecords;
use crate::failure::Failure;
use crate::sync::events::Wake;
use crate::sync::native_sync::NativeSync;
use crate::sync::owned::Owned;
use crate::sync::questions::{AnswerOutcome, ConflictFailure, Question};

/// A conflict that `onConflict` is asked about.
#[napi]
pub struct NativeQuestion {
    question: Question,
    /// Keeps the engine open for the answer.
    _engine: Arc<Owned>,
}

/// What has come up for `onConflict`.
#[napi(object, object_from_js = false)]
pub struct ConflictNotices {
    /// What it is asked.
    pub questions: Vec<NativeQuestion>,
    /// Why pending conflicts could not be read.
    pub failures: Vec<ConflictFailure>,
}

#[napi]
impl NativeSync {
    /// Asks JavaScript about conflicts from now on. Calls `wake` when there is something to take.
    #[napi]
    pub fn on_conflict(&self, #[napi(ts_arg_type = "() => void")] wake: Wake) -> napi::Result<()> {
        let owned = self.owned();
        let _runtime = owned.runtime.enter();
        Ok(self.engine().on_conflict(owned.questions.callback(wake)).map_err(Failure::from)?)
    }

    /// What has come up since the last call.
    #[napi]
    #[must_use]
    pub fn take_conflicts(&self) -> ConflictNotices {
        let engine = self.owned();
        let mut waiting = engine.questions.waiting();
        let questions = std::mem::take(&mut waiting.questions).into_iter();
        ConflictNotices {
            questions: questions
                .map(|question| NativeQuestion { question, _engine: Arc::clone(&engine) })
                .collect(),
            failures: std::mem::take(&mut waiting.failures),
        }
    }

    /// Resolves once nothing but answers is missing.
    #[napi]
    pub fn conflicts_asked<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let owned = self.owned();
        env.spawn_future(async move {
            owned.engine.conflicts_asked().await;
            Ok(())
        })
    }
}

#[napi]
impl NativeQuestion {
    /// The conflict.
    #[napi(getter)]
    #[must_use]
    pub fn conflict(&self) -> ConflictRecords {
        std::iter::once(self.question.conflict.clone()).collect()
    }

    /// Writes the vector, or without one a tombstone; or leaves the conflict, or reports that there is no answer.
    #[napi]
    pub fn answer<'env>(
        &mut self,
        env: &'env Env,
        #[napi(ts_arg_type = "'write' | 'leave' | 'fail'")] does: String,
        vector: Option<Float32ArraySlice<'_>>,
        metadata: Option<String>,
    ) -> napi::Result<PromiseRaw<'env, AnswerOutcome>> {
        let decision = match (does.as_str(), vector) {
            ("leave", _) => Ok(None),
            ("fail", _) => Err("it threw".into()),
            (_, None) => Ok(Some(LocalWrite::Delete)),
            (_, Some(vector)) => Ok(Some(LocalWrite::Put(payload(copy(&vector), metadata.as_deref())?))),
        };
        let outcome = self.question.channels.take().map(|(answer, outcome)| {
            // A closed engine waits no longer.
            let _ = answer.send(decision);
            outcome
        });
        env.spawn_future(async move {
            Ok(match outcome {
                Some(outcome) => outcome.await.unwrap_or_default(),
                None => AnswerOutcome::default(),
            })
        })
    }
}
