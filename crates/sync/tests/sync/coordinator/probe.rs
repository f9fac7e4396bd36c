//! A peer that takes every stream and never answers.

use std::sync::{Arc, Mutex};

use vectr_sync::SyncError;
use vectr_transport::{Endpoint, EndpointConfig, Identity, PeerStream, Trust};

/// How many streams are open at peers that share it.
#[derive(Clone, Default)]
pub(crate) struct Probe(Arc<Mutex<Counts>>);

#[derive(Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) open: usize,
    pub(crate) most: usize,
    pub(crate) ever: usize,
}

impl Probe {
    pub(crate) fn counts(&self) -> Counts {
        *self.0.lock().unwrap()
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
        while let Ok(Some(_)) = stream.recv.read().await {}
        self.count(|counts| counts.open -= 1);
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap());
    }
}
