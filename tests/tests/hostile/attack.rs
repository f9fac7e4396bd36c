//! One hostile client at a time, on a thread of its own.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use vectr_delta::Fingerprint;

use crate::clients::Certificate;
use crate::scene::Trusted;

/// A program that means harm. It goes on until it is stopped.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// What it counts.
    pub(crate) deeds: &'static str,
    /// How the hub trusts while it runs.
    pub(crate) trusted: Trusted,
    /// The most that it may make the hub hold beyond what it held before, in bytes.
    pub(crate) memory: u64,
    pub(crate) run: fn(Target) -> Running,
}

pub(crate) type Running = Pin<Box<dyn Future<Output = ()>>>;

/// Says that it is over, also where a failed step ends it.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a client knows of the hub that it attacks.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) remote: SocketAddr,
    pub(crate) trusted: Trusted,
    member: Arc<Certificate>,
    deeds: Arc<AtomicU64>,
    sources: Arc<AtomicU64>,
}

impl Target {
    pub(crate) fn new(remote: SocketAddr, trusted: Trusted, member: &Arc<Certificate>) -> Self {
        let (member, deeds, sources) = (Arc::clone(member), Arc::default(), Arc::default());
        Self { remote, trusted, member, deeds, sources }
    }

    /// Counts what the client has done.
    pub(crate) fn note(&self) {
        self.deeds.fetch_add(1, Ordering::Relaxed);
    }

    /// A certificate that the hub admits, as far as certificates decide: each a new one where a secret decides.
    pub(crate) fn member(&self) -> Arc<Certificate> {
        match self.trusted {
            Trusted::BySecret => Arc::new(Certificate::new()),
            Trusted::ByPin => Arc::clone(&self.member),
        }
    }

    /// Another address of this machine each time.
    pub(crate) fn source(&self) -> IpAddr {
        let number = self.sources.fetch_add(1, Ordering::Relaxed);
        let [.., high, low] = number.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(127, 66, high, low.clamp(1, 254)))
    }
}

/// Runs it for so long, and lets go of everything that it has open. Returns how many deeds it has done.
pub(crate) fn run(client: Client, target: &Target, duration: Duration) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let running = (client.run)(target.clone());
    let ended = runtime.block_on(async { tokio::time::timeout(duration, running).await });
    assert!(ended.is_err(), "{} has stopped by itself", client.name);
    runtime.shutdown_background();
    target.deeds.load(Ordering::Relaxed)
}

/// Lets this process, whose client holds many sockets, open as many descriptors as it may.
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// What the hub pins beside its honest peers, where it goes by pins.
pub(crate) fn fingerprint(certificate: &Certificate) -> Fingerprint {
    let hash = ring::digest::digest(&ring::digest::SHA256, &certificate.chain);
    Fingerprint::new(hash.as_ref().try_into().unwrap())
}
