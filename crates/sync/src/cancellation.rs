use tokio::sync::watch;

/// Cancels the operations that hold one of its [`CancellationToken`]s.
#[derive(Debug, Clone)]
pub struct CancellationSource(watch::Sender<bool>);

impl CancellationSource {
    /// A source that has not cancelled yet.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Cancels all tokens of this source, including those handed out later.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// A token for the operation to be cancelled.
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

/// Tells an operation to stop. The default token is never cancelled.
#[derive(Debug, Clone, Default)]
pub struct CancellationToken(Option<watch::Receiver<bool>>);

impl CancellationToken {
    /// Whether the source has cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|token| *token.borrow())
    }

    /// Waits for the source to cancel.
    pub async fn cancelled(&mut self) {
        if let Some(token) = &mut self.0
            && token.wait_for(|cancelled| *cancelled).await.is_ok()
        {
            return;
        }
        // The source was dropped without cancelling.
        std::future::pending::<()>().await;
    }
}
