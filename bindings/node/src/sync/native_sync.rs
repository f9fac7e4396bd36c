use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::PromiseRaw;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;
use tokio::runtime::Handle;
use vectr_delta::{Fingerprint, NodeName, ShardId};
use vectr_sync::SyncEngine;
use vectr_transport::Identity;

use crate::cancellation::NativeCancellation;
use crate::database::native_database::NativeDatabase;
use crate::failure::Failure;
use crate::sync::events::{NativeSubscription, Wake};
use crate::sync::exchange::NativeExchange;
use crate::sync::options::{NetworkOptions, SyncOptions, TlsOptions, fingerprint, listen_address};
use crate::sync::outcome::{FeedRecord, ProgressRecord, StatisticsRecord};
use crate::sync::owned::Owned;
use crate::sync::session::{SessionRecord, ShardStateRecord};
use crate::work::{Work, block};

/// Syncs the shards of a database.
#[napi]
pub struct NativeSync(Arc<Owned>);

/// How one sync is run.
#[napi(object, object_to_js = false)]
pub struct SyncCall {
    /// Whether to read the peer's changelog from its beginning.
    pub force: bool,
    /// The time it may take.
    pub timeout_ms: Option<f64>,
}

/// Does not keep the process alive: the promise of the sync does.
type ProgressListener = ThreadsafeFunction<ProgressRecord, (), ProgressRecord, Status, false, true>;

#[napi]
impl NativeSync {
    /// An engine for a database. No socket is opened before the first use.
    #[napi]
    pub fn open<'env>(
        env: &'env Env,
        database: &NativeDatabase,
        node_id: String,
        options: SyncOptions,
        network: NetworkOptions,
    ) -> napi::Result<PromiseRaw<'env, NativeSync>> {
        let db = database.db().clone();
        // On the calling thread, which is the one that changes the environment.
        let network = network.config();
        env.spawn_future(async move {
            let (runtime, network) = (Handle::current(), network?);
            block(move || {
                let interval = options.interval();
                let engine = SyncEngine::new(db, NodeName::new(&node_id)?, options.config()?, network)?;
                Ok(NativeSync(Arc::new(Owned { engine, runtime, interval, questions: Arc::default() })))
            })
            .await
        })
    }

    /// SHA-256 of the certificate kept in `<database>.key`, which is made where there is none; none in memory.
    #[napi]
    pub fn identity_of(database: &NativeDatabase) -> napi::Result<Option<String>> {
        let Some(path) = database.db().path() else { return Ok(None) };
        let mut key = path.as_os_str().to_owned();
        key.push(".key");
        let identity = Identity::load_or_create(key.as_ref()).map_err(Failure::from)?;
        Ok(Some(identity.fingerprint().to_string()))
    }

    /// SHA-256 of this node's certificate.
    #[napi(getter)]
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.engine.fingerprint().to_string()
    }

    /// The pinned peers.
    #[napi(getter)]
    #[must_use]
    pub fn pinned_fingerprints(&self) -> Vec<String> {
        self.0.engine.trust().pins().iter().map(Fingerprint::to_string).collect()
    }

    /// Trusts one more peer.
    #[napi]
    pub fn pin_peer(&self, peer: String) -> napi::Result<()> {
        self.0.engine.trust().pin(fingerprint(&peer)?);
        Ok(())
    }

    /// Trusts a peer no longer; false where it was not pinned.
    #[napi]
    pub fn unpin_peer(&self, peer: String) -> napi::Result<bool> {
        Ok(self.0.engine.trust().unpin(&fingerprint(&peer)?))
    }

    /// Replaces whom to trust, and reads the files anew.
    #[napi]
    pub fn set_trust<'env>(&self, env: &'env Env, tls: TlsOptions) -> napi::Result<PromiseRaw<'env, ()>> {
        let owned = Arc::clone(&self.0);
        let tls = tls.config();
        Work::at_once(env, move || Ok(owned.engine.set_trust(&tls?)?))
    }

    /// Answers peers on an address, and returns the bound one.
    #[napi]
    pub fn listen<'env>(
        &self,
        env: &'env Env,
        address: Option<String>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let owned = Arc::clone(&self.0);
        let address = listen_address(address, None, None);
        env.spawn_future(async move {
            let bound = owned.engine.listen(&address?).await.map_err(Failure::from)?;
            Ok(bound.to_string())
        })
    }

    /// Exchanges with a peer what each lacks of a shard.
    #[napi]
    pub fn sync<'env>(
        &self,
        env: &'env Env,
        shard_id: String,
        address: String,
        call: SyncCall,
        cancellation: Option<&NativeCancellation>,
        #[napi(ts_arg_type = "((progress: ProgressRecord) => void) | undefined | null")] progress: Option<
            ProgressListener,
        >,
    ) -> napi::Result<PromiseRaw<'env, NativeExchange>> {
        let owned = Arc::clone(&self.0);
        let mut options = vectr_sync::SyncOptions::default();
        options.force = call.force;
        options.timeout = call.timeout_ms.map(|timeout| Duration::from_secs_f64(timeout / 1000.0));
        options.abort(cancellation.map(NativeCancellation::token).unwrap_or_default());
        if let Some(listener) = progress {
            options.progress(move |progress| {
                listener.call(progress.into(), ThreadsafeFunctionCallMode::NonBlocking);
            });
        }
        env.spawn_future(async move {
            let shard = ShardId::new(&shard_id).map_err(Failure::from)?;
            let exchange = owned.engine.exchange(&shard, &address, options).await.map_err(Failure::from)?;
            Ok(NativeExchange::new(exchange, owned))
        })
    }

    /// Keeps a shard in step with a peer from now on.
    #[napi]
    pub fn start_auto_sync(&self, shard_id: String, address: String) -> napi::Result<()> {
        let _runtime = self.0.runtime.enter();
        let shard = ShardId::new(&shard_id).map_err(Failure::from)?;
        Ok(self.0.engine.start_auto_sync(&shard, &address, self.0.interval).map_err(Failure::from)?)
    }

    /// Ends the auto-syncs of a shard.
    #[napi]
    pub fn stop_auto_sync(&self, shard_id: String) -> napi::Result<bool> {
        Ok(self.0.engine.stop_auto_sync(&ShardId::new(&shard_id).map_err(Failure::from)?))
    }

    /// Ends all auto-syncs.
    #[napi]
    pub fn stop_all_auto_syncs(&self) {
        self.0.engine.stop_all_auto_syncs();
    }

    /// What happens from now on. Calls `wake` when there is something to take.
    #[napi]
    pub fn subscribe(&self, #[napi(ts_arg_type = "() => void")] wake: Wake) -> NativeSubscription {
        NativeSubscription::start(&self.0.runtime, self.0.engine.events(), wake)
    }

    /// The state of a shard.
    #[napi]
    pub fn shard_state<'env>(
        &self,
        env: &'env Env,
        shard_id: String,
    ) -> napi::Result<PromiseRaw<'env, ShardStateRecord>> {
        let owned = Arc::clone(&self.0);
        Work::at_once(env, move || Ok(owned.engine.shard_state(&ShardId::new(&shard_id)?)?.into()))
    }

    /// The state of all shards. Reads on the calling thread.
    #[napi]
    pub fn session(&self) -> napi::Result<SessionRecord> {
        Ok(self.0.engine.status().map_err(Failure::from)?.into())
    }

    /// The connections made from here.
    #[napi]
    #[must_use]
    pub fn statistics(&self) -> StatisticsRecord {
        self.0.engine.statistics().into()
    }

    /// What the live sessions of each shard share.
    #[napi]
    #[must_use]
    pub fn feeds(&self) -> Vec<FeedRecord> {
        self.0.engine.feeds().into_iter().map(Into::into).collect()
    }

    /// Ends running syncs and stops answering. Closing again does nothing.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let owned = Arc::clone(&self.0);
        env.spawn_future(async move {
            owned.engine.close().await;
            Ok(())
        })
    }
}

impl NativeSync {
    pub(crate) fn engine(&self) -> &SyncEngine {
        &self.0.engine
    }

    /// Keeps the engine open.
    pub(crate) fn owned(&self) -> Arc<Owned> {
        Arc::clone(&self.0)
    }
}
