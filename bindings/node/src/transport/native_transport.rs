use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::PromiseRaw;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;
use tokio::runtime::Handle;
use vectr_delta::Fingerprint;
use vectr_sync::CancellationToken;
use vectr_transport::{
    AckHandle, Delivery, Endpoint, Messenger, MessengerConfig, StreamName, TransportError, Trust,
};

use crate::cancellation::NativeCancellation;
use crate::failure::Failure;
use crate::sync::options::{NetworkOptions, TlsOptions, fingerprint, listen_address, millis};
use crate::sync::outcome::StatisticsRecord;
use crate::transport::message::{DeliveryRecord, MessageRecord, TrafficRecord};
use crate::work::{Work, block};

/// Sends messages to other nodes, and takes theirs.
#[napi]
pub struct NativeTransport(Arc<Owned>);

/// Closes the messenger once neither JavaScript nor a running call needs it: a listener would go on answering for a
/// worker thread that is gone.
struct Owned {
    messenger: Messenger,
    runtime: Handle,
    handed: Arc<Handed>,
}

/// What JavaScript works on, by the number that it knows.
#[derive(Default)]
struct Handed {
    tickets: Mutex<HashMap<i64, AckHandle>>,
    next: AtomicI64,
}

/// Does not keep the process alive: a listener does.
type Dispatcher = ThreadsafeFunction<DeliveryRecord, (), DeliveryRecord, Status, false, true>;

#[napi]
impl NativeTransport {
    /// A transport with an identity of its own. No socket is opened before the first use.
    #[napi]
    pub fn open(
        env: &Env,
        network: NetworkOptions,
        #[napi(ts_arg_type = "(delivery: DeliveryRecord) => void")] dispatcher: Dispatcher,
    ) -> napi::Result<PromiseRaw<'_, NativeTransport>> {
        // On the calling thread, which is the one that changes the environment.
        let network = network.config();
        env.spawn_future(async move {
            let network = network?;
            let endpoint = block(move || Ok(Endpoint::configured(&network.tls, network.endpoint)?)).await?;
            let handed = Arc::<Handed>::default();
            let handler = hand_over(Arc::clone(&handed), dispatcher);
            let messenger = Messenger::new(endpoint, MessengerConfig::default(), handler);
            let messenger = messenger.map_err(Failure::from)?;
            Ok(NativeTransport(Arc::new(Owned { messenger, runtime: Handle::current(), handed })))
        })
    }

    /// SHA-256 of this node's certificate.
    #[napi(getter)]
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.messenger.endpoint().fingerprint().to_string()
    }

    /// The pinned peers.
    #[napi(getter)]
    #[must_use]
    pub fn pinned_fingerprints(&self) -> Vec<String> {
        self.trust().pins().iter().map(Fingerprint::to_string).collect()
    }

    /// Trusts one more peer.
    #[napi]
    pub fn pin_peer(&self, peer: String) -> napi::Result<()> {
        self.trust().pin(fingerprint(&peer)?);
        Ok(())
    }

    /// Trusts a peer no longer; false where it was not pinned.
    #[napi]
    pub fn unpin_peer(&self, peer: String) -> napi::Result<bool> {
        Ok(self.trust().unpin(&fingerprint(&peer)?))
    }

    /// Replaces whom to trust, and reads the files anew.
    #[napi]
    pub fn set_trust<'env>(&self, env: &'env Env, tls: TlsOptions) -> napi::Result<PromiseRaw<'env, ()>> {
        let owned = Arc::clone(&self.0);
        let tls = tls.config();
        Work::at_once(env, move || Ok(owned.messenger.endpoint().set_trust(&tls?)?))
    }

    /// Takes messages on an address too, and returns the bound one.
    #[napi]
    pub fn listen<'env>(
        &self,
        env: &'env Env,
        host: Option<String>,
        port: Option<u16>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let owned = Arc::clone(&self.0);
        let address = listen_address(None, host.as_deref(), port);
        env.spawn_future(async move {
            let bound = owned.messenger.listen(&address?).await.map_err(Failure::from)?;
            Ok(bound.to_string())
        })
    }

    /// Resolves once the peer's application has the message.
    #[napi]
    pub fn send<'env>(
        &self,
        env: &'env Env,
        address: String,
        message: MessageRecord,
        timeout_ms: Option<f64>,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<PromiseRaw<'env, ()>> {
        let cancel = cancellation.map(NativeCancellation::token).unwrap_or_default();
        let sent = self.0.messenger.send(&address, message.try_into()?, timeout_ms.map(millis));
        env.spawn_future(unless(cancel, sent))
    }

    /// Resolves to the answer.
    #[napi]
    pub fn request<'env>(
        &self,
        env: &'env Env,
        address: String,
        message: MessageRecord,
        timeout_ms: Option<f64>,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<PromiseRaw<'env, MessageRecord>> {
        let cancel = cancellation.map(NativeCancellation::token).unwrap_or_default();
        let answer = self.0.messenger.request(&address, message.try_into()?, timeout_ms.map(millis));
        env.spawn_future(async move { Ok(MessageRecord::from(unless(cancel, answer).await?)) })
    }

    /// Resolves to the next message of a stream from an address.
    #[napi]
    pub fn receive<'env>(
        &self,
        env: &'env Env,
        address: String,
        stream: String,
        timeout_ms: Option<f64>,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<PromiseRaw<'env, MessageRecord>> {
        let cancel = cancellation.map(NativeCancellation::token).unwrap_or_default();
        let stream = StreamName::from(stream.as_str());
        let place = self.0.messenger.receive(&address, &stream).map_err(Failure::from)?;
        let message = place.message(timeout_ms.map(millis));
        env.spawn_future(async move { Ok(MessageRecord::from(unless(cancel, message).await?)) })
    }

    /// Calls the dispatcher for a stream from now on; for all streams, where none is named.
    #[napi]
    pub fn subscribe(&self, stream: Option<String>) {
        self.0.messenger.subscribe(stream.as_deref());
    }

    /// Undoes one `subscribe`.
    #[napi]
    pub fn unsubscribe(&self, stream: Option<String>) {
        self.0.messenger.unsubscribe(stream.as_deref());
    }

    /// A handler has ended: with an answer, with a failure, or without either.
    #[napi]
    pub fn settle(
        &self,
        number: i64,
        answer: Option<MessageRecord>,
        failure: Option<String>,
    ) -> napi::Result<()> {
        let Some(ack) = self.0.handed.tickets().remove(&number) else { return Ok(()) };
        match (answer, failure) {
            (_, Some(reason)) => ack.fail(&reason),
            (Some(answer), None) => {
                ack.answer(answer.try_into()?).map_err(Failure::from)?;
            }
            (None, None) => drop(ack),
        }
        Ok(())
    }

    /// Nobody took a delivery: it waits again.
    #[napi]
    pub fn put_back(&self, delivery: DeliveryRecord) -> napi::Result<()> {
        if let Some(ack) = self.0.handed.tickets().remove(&delivery.number) {
            let message = delivery.message.try_into()?;
            Delivery { address: delivery.address, message, ack }.put_back();
        }
        Ok(())
    }

    /// The connections made from here.
    #[napi]
    #[must_use]
    pub fn statistics(&self) -> StatisticsRecord {
        self.0.messenger.endpoint().statistics().into()
    }

    /// What waits, and what was done.
    #[napi]
    #[must_use]
    pub fn traffic(&self) -> TrafficRecord {
        self.0.messenger.statistics().into()
    }

    /// Fails what is pending, and stops listening. Closing again does nothing.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let owned = Arc::clone(&self.0);
        env.spawn_future(async move {
            owned.messenger.close().await;
            owned.handed.tickets().clear();
            Ok(())
        })
    }

    fn trust(&self) -> &Trust {
        self.0.messenger.endpoint().trust()
    }
}

impl Handed {
    fn tickets(&self) -> MutexGuard<'_, HashMap<i64, AckHandle>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let messenger = self.messenger.clone();
        self.runtime.spawn(async move { messenger.close().await });
    }
}

/// JavaScript has a message as soon as the dispatcher has returned.
fn hand_over(handed: Arc<Handed>, dispatcher: Dispatcher) -> impl Fn(Delivery) + Send + Sync {
    move |Delivery { address, message, ack }| {
        let number = handed.next.fetch_add(1, Ordering::Relaxed);
        let record =
            DeliveryRecord { number, address, wants_answer: ack.wants_answer(), message: message.into() };
        handed.tickets().insert(number, ack);
        let taken = Arc::clone(&handed);
        dispatcher.call_with_return_value(
            record,
            ThreadsafeFunctionCallMode::NonBlocking,
            move |_returned, _env| {
                if let Some(ack) = taken.tickets().get(&number) {
                    ack.acknowledge();
                }
                Ok(())
            },
        );
    }
}

/// Ends the call early where it is cancelled.
async fn unless<T>(
    mut cancel: CancellationToken,
    call: impl Future<Output = Result<T, TransportError>>,
) -> napi::Result<T> {
    tokio::select! {
        ended = call => Ok(ended.map_err(Failure::from)?),
        () = cancel.cancelled() => Err(Failure::new("ERR_ABORTED", &"the call was aborted").into()),
    }
}
