use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use vectr_sync::CancellationSource;

use crate::error::CliError;
use crate::http::exposition::Exposition;
use crate::http::listener::LimitedListener;
use crate::http::metrics::metrics;
use crate::service::Service;

/// Serves health and metrics over HTTP to this machine.
pub(crate) struct Http {
    address: SocketAddr,
    stop: CancellationSource,
    task: JoinHandle<()>,
}

impl Http {
    /// Listens on a loopback address. Refuses any other, because requests are not authenticated.
    pub(crate) async fn start(address: &str, service: Arc<Service>) -> Result<Self, CliError> {
        let address = loopback(address)?;
        let refuse = |error: std::io::Error| CliError::Config {
            subject: format!("cannot serve HTTP on {address}"),
            reason: error.to_string(),
        };
        let listener = TcpListener::bind(address).await.map_err(refuse)?;
        let address = listener.local_addr().map_err(refuse)?;
        let state = Arc::new(Served {
            service,
            scrapes: Arc::new(Semaphore::new(1)),
            checks: Arc::new(Semaphore::new(CHECKS)),
        });
        let routes = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(readiness))
            .route("/metrics", get(exposition))
            .with_state(state)
            .layer(from_fn(only_by_local_names));
        let stop = CancellationSource::new();
        let mut stopped = stop.token();
        let served = axum::serve(LimitedListener::new(listener), routes)
            .with_graceful_shutdown(async move { stopped.cancelled().await });
        let task = tokio::spawn(async move {
            // It only ends when it is stopped.
            let _ = served.await;
        });
        Ok(Self { address, stop, task })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening. Requests that have begun may take `SHUTDOWN_TIMEOUT`.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        let abort = self.task.abort_handle();
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, self.task).await.is_err() {
            abort.abort();
        }
    }
}

fn loopback(given: &str) -> Result<SocketAddr, CliError> {
    let refuse = |hint: &str| CliError::Argument {
        name: "--http",
        value: given.chars().take(100).collect(),
        hint: hint.to_owned(),
    };
    let address: SocketAddr = given
        .parse()
        .map_err(|_| refuse("give an IP address and a port, such as 127.0.0.1:4434 or [::1]:4434"))?;
    if !address.ip().is_loopback() {
        return Err(refuse("HTTP requests are not authenticated: give a loopback address"));
    }
    Ok(address)
}

/// What requests are answered from.
struct Served {
    service: Arc<Service>,
    /// Metrics read every database in full: one request does so at a time, and the others wait.
    scrapes: Arc<Semaphore>,
    /// Limits the checks of readiness, which ask every database.
    checks: Arc<Semaphore>,
}

async fn readiness(State(served): State<Arc<Served>>) -> Response {
    let service = Arc::clone(&served.service);
    match blocking(&served.checks, move || service.unready_reason()).await {
        Some(None) => "ready\n".into_response(),
        Some(Some(unready_reason)) => unavailable(&unready_reason),
        None => unavailable("shutting down"),
    }
}

async fn exposition(State(served): State<Arc<Served>>) -> Response {
    let service = Arc::clone(&served.service);
    match blocking(&served.scrapes, move || metrics(&service)).await {
        Some(Ok(text)) => ([(header::CONTENT_TYPE, Exposition::CONTENT_TYPE)], text).into_response(),
        Some(Err(error)) => unavailable(&format!("{}: {error}", error.code())),
        None => unavailable("shutting down"),
    }
}

/// Prevents DNS rebinding: a web page could resolve its own name to this machine and read the response.
async fn only_by_local_names(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(is_local) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "use a loopback address or localhost as the host name\n").into_response()
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn unavailable(reason: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
}

/// Works on a thread that may block, once there is a permit. `None` if the runtime is shutting down.
async fn blocking<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    let work = move || {
        // A client that goes away does not end the work, which holds the permit until it is done.
        let _permit = permit;
        work()
    };
    tokio::task::spawn_blocking(work).await.ok()
}

const CHECKS: usize = 4;
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_answered_on() {
        assert_eq!(loopback("[::1]:0").unwrap().port(), 0);
        for refused in ["0.0.0.0:4434", "192.0.2.1:1", "localhost:1", "127.0.0.1", ""] {
            let error = loopback(refused).unwrap_err();
            assert_eq!(error.code(), "ERR_ARGUMENT");
            assert!(error.to_string().contains(&format!("'{refused}'")), "{error}");
        }
    }

    #[test]
    fn only_local_names_are_answered() {
        for local in ["127.0.0.1:4434", "localhost", "LOCALHOST:1", "[::1]:4434", "[::1]", "127.9.9.9"] {
            assert!(is_local(local), "{local}");
        }
        for foreign in
            ["evil.example", "evil.example:4434", "127.0.0.1.evil.example", "192.0.2.1:4434", "", ":1"]
        {
            assert!(!is_local(foreign), "{foreign}");
        }
    }
}
