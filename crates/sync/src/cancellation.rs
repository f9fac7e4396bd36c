use tokio::sync::watch;

/// Lets one caller end what another waits for.
#[derive(Debug, Clone)]
pub struct CancellationSource(watch::Sender<bool>);

impl CancellationSource {
    /// A canceller that has not been used.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Ends every wait on this canceller's [`CancellationToken`]s, now and later.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// What the waiting side holds.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        CancellationToken(Some(self.0.subscribe()))
    }
}

impl Default for CancellationSource {
    fn default() -> Self {
        Self::new()
    }
}

/// Tells whether to give up. The default one never does.
#[derive(Debug, Clone, Default)]
pub struct CancellationToken(Option<watch::Receiver<bool>>);

impl CancellationToken {
    /// Whether the other side has cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|token| *token.borrow())
    }

    /// Waits for the other side to cancel.
    pub async fn cancelled(&mut self) {
        if let Some(token) = &mut self.0
            && token.wait_for(|cancelled| *cancelled).await.is_ok()
        {
            return;
        }
        // The canceller is gone without having cancelled.
        std::future::pending::<()>().await;
    }
}
