use tokio::sync::watch;
use tokio::task::JoinHandle;

use vectr_delta::ChangeId;
use vectr_sync::{SyncEngine, SyncEvent};

use super::run::Failure;

/// Those who listen to one engine, all of whom must hear of every change.
pub(super) struct Listeners(Vec<Listener>);

struct Listener {
    heard: watch::Receiver<ChangeId>,
    task: JoinHandle<Result<(), String>>,
}

impl Listeners {
    pub(super) fn start(engine: &SyncEngine, count: usize) -> Self {
        Self((0..count).map(|number| Listener::start(engine, number)).collect())
    }

    /// Waits until all have heard of everything up to change `last`.
    pub(super) async fn hear(&mut self, last: ChangeId) -> Result<(), Failure> {
        for listener in &mut self.0 {
            listener.hear(last).await?;
        }
        Ok(())
    }

    /// Once the engine is closed.
    pub(super) async fn end(self) -> Result<(), Failure> {
        for listener in self.0 {
            listener.task.await??;
        }
        Ok(())
    }
}

impl Listener {
    fn start(engine: &SyncEngine, number: usize) -> Self {
        let (mut events, (told, heard)) = (engine.events(), watch::channel(0));
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let SyncEvent::Change { after, to, .. } = event else { continue };
                let last = *told.borrow();
                if after != last {
                    return Err(format!("listener {number} heard up to {last}, then from {after} to {to}"));
                }
                told.send_replace(to);
            }
            Ok(())
        });
        Self { heard, task }
    }

    async fn hear(&mut self, last: ChangeId) -> Result<(), Failure> {
        if self.heard.wait_for(|heard| *heard >= last).await.is_err() {
            // It has ended early, and knows why.
            (&mut self.task).await??;
        }
        Ok(())
    }
}
