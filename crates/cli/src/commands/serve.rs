use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use vectr_delta::NodeName;
use vectr_sync::CancellationToken;

use crate::commands::arguments::ServeArguments;
use crate::console::{note, report};
use crate::database_files::databases;
use crate::error::CliError;
use crate::http::server::Http;
use crate::network::listen_address;
use crate::service::Service;
use crate::table::Table;

/// Serves until `stop` is cancelled, then drains.
pub(crate) async fn serve(
    arguments: ServeArguments,
    json: bool,
    mut stop: CancellationToken,
) -> Result<(), CliError> {
    let service = Arc::new(open(&arguments)?);
    let served = answer(&arguments, json, &service, &mut stop).await;
    if served.is_err() {
        // Close what was opened. The first error says more than one that follows from it.
        let _ = service.drain(Duration::ZERO).await;
    }
    served
}

fn open(arguments: &ServeArguments) -> Result<Service, CliError> {
    let node = arguments.node_id.as_deref().map(NodeName::new).transpose()?;
    let files = databases(&arguments.path)?;
    Service::open(&files, node.as_ref(), arguments.network.config(&arguments.path)?)
}

async fn answer(
    arguments: &ServeArguments,
    json: bool,
    service: &Arc<Service>,
    stop: &mut CancellationToken,
) -> Result<(), CliError> {
    let http = match arguments.no_http {
        true => None,
        false => Some(Http::start(&arguments.http, Arc::clone(service)).await?),
    };
    let listen = service.listen(&listen_address(arguments.listen.as_deref())?).await?;
    let started = Started::new(service, listen, http.as_ref())?;
    report(json, &started, text)?;
    stop.cancelled().await;
    note("draining: refusing new syncs, waiting for running ones");
    let cut = service.drain(Duration::from_secs(arguments.drain_seconds.into())).await?;
    if let Some(http) = http {
        http.stop().await;
    }
    note(&match cut {
        0 => "drained".to_owned(),
        cut => {
            format!("drained; {cut} syncs did not end in time and were cut off; their peers will resume them")
        }
    });
    Ok(())
}

/// Printed once the service is ready.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    listen: String,
    http: Option<String>,
    fingerprint: String,
    databases: Vec<Database>,
}

#[derive(Serialize)]
struct Database {
    path: String,
    shards: Vec<String>,
}

impl Started {
    fn new(service: &Service, listen: String, http: Option<&Http>) -> Result<Self, CliError> {
        let databases = service.overviews()?.into_iter().map(|overview| Database {
            path: overview.path.map_or_else(String::new, |path| path.display().to_string()),
            shards: overview.shards.iter().map(|shard| shard.shard.to_string()).collect(),
        });
        Ok(Self {
            listen,
            http: http.map(Http::url),
            fingerprint: service.fingerprint().to_string(),
            databases: databases.collect(),
        })
    }
}

fn text(started: &Started) -> String {
    let mut table = Table::new(&["DATABASE", "SHARDS"]);
    for database in &started.databases {
        table.row([database.path.clone(), database.shards.join(", ")]);
    }
    let http = started
        .http
        .as_ref()
        .map_or_else(|| "none".to_owned(), |url| format!("{url}/metrics, /healthz, /readyz"));
    format!(
        "{}\nsync         {}\nhttp         {http}\nfingerprint  {}\n",
        table.render(),
        started.listen,
        started.fingerprint
    )
}
