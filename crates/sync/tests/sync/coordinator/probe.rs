//! A peer that takes every stream and never answers; it hangs up when it is told to.

use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use vectr_sync::SyncError;
use vectr_transport::{Endpoint, EndpointConfig, Identity, PeerStream, Trust};

/// How many streams are open at peers that share it.
#[derive(Clone)]
pub(crate) struct Probe {
    counts: Arc<Mutex<Counts>>,
    /// One permit ends one stream.
    hang_ups: Arc<Semaphore>,
}

#[derive(Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) open: usize,
    pub(crate) most: usize,
    pub(crate) ever: usize,
}

impl Default for Probe {
    fn default() -> Self {
        Self { counts: Arc::default(), hang_ups: Arc::new(Semaphore::new(0)) }
    }
}

impl Probe {
    pub(crate) fn counts(&self) -> Counts {
        *self.counts.lock().unwrap()
    }

    /// Starts one more peer. Returns its address; it lives as long as the endpoint.
    pub(crate) async fn mute_peer(&self) -> Result<(Endpoint, String), SyncError> {
        let trust = Trust::this_machine();
        let endpoint = Endpoint::new(&Identity::ephemeral()?, &trust, EndpointConfig::default())?;
        let listener = endpoint.listen("127.0.0.1:0").await?;
        let address = listener.local_addr().to_string();
        let probe = self.clone();
        tokio::spawn(async move {
            while let Some(stream) = listener.accept().await {
                tokio::spawn(probe.clone().watch(stream));
            }
        });
        Ok((endpoint, address))
    }

    async fn watch(self, mut stream: PeerStream) {
        self.count(|counts| {
            counts.open += 1;
            counts.ever += 1;
            counts.most = counts.most.max(counts.open);
        });
        tokio::select! {
            () = async { while let Ok(Some(_)) = stream.recv.read().await {} } => {}
            permit = self.hang_ups.acquire() => permit.unwrap().forget(),
        }
        // Before the stream is dropped: what the other side begins once it knows is not counted beside this one.
        self.count(|counts| counts.open -= 1);
        drop(stream);
    }

    /// Ends this many streams, open ones or ones to come.
    pub(crate) fn hang_up(&self, streams: usize) {
        self.hang_ups.add_permits(streams);
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap());
    }
}
