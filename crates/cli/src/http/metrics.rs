use std::collections::BTreeMap;

use vectr_core::{CoreError, Overview, ShardOverview, StorageStatistics};
use vectr_delta::{ShardId, Timestamp};
use vectr_sync::{FeedStatistics, ServerStatistics, ShardTotals};

use crate::http::exposition::{Exposition, Family, Kind};
use crate::service::Service;

/// Metrics of a service in Prometheus' text format. Blocks on storage.
pub(crate) fn metrics(service: &Service) -> Result<String, CoreError> {
    let (overviews, statistics) = (service.overviews()?, service.statistics());
    let mut to = Exposition::default();
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    to.family("vectr_build_info", Kind::Gauge, "Version of the running build.").sample(&version, 1);
    to.family("vectr_ready", Kind::Gauge, "1 while syncs are accepted, 0 while draining.")
        .sample(&[], u8::from(!service.is_draining()));
    put_databases(&mut to, &overviews, &service.storage());
    put_shards(&mut to, &overviews);
    put_peers(&mut to, &overviews);
    put_sessions(&mut to, &statistics);
    put_traffic(&mut to, &totals(&overviews, &statistics));
    put_feeds(&mut to, &statistics.feeds);
    Ok(to.into_text())
}

fn put_databases(to: &mut Exposition, overviews: &[Overview], storage: &[StorageStatistics]) {
    let mut sizes =
        to.family("vectr_database_bytes", Kind::Gauge, "Size of a database file and its write-ahead log.");
    for overview in overviews {
        sizes.sample(&[("database", &Service::name_of(overview))], overview.bytes);
    }
    let mut each = |name, kind, help, value: fn(&StorageStatistics) -> u64| {
        let mut family = to.family(name, kind, help);
        for (overview, of) in overviews.iter().zip(storage) {
            family.sample(&[("database", &Service::name_of(overview))], value(of));
        }
    };
    each("vectr_log_bytes", Kind::Gauge, "Size of a database's write-ahead log.", |of| of.log_bytes);
    each(
        "vectr_log_limit_bytes",
        Kind::Gauge,
        "Size of the log at which readers that hold it are cut off.",
        |of| of.log_limit,
    );
    each("vectr_readers_held", Kind::Gauge, "Queries and iterations that hold a snapshot.", |of| {
        of.readers_held as u64
    });
    each(
        "vectr_readers_cut_off_total",
        Kind::Counter,
        "Queries and iterations that were cut off because the log had reached its limit.",
        |of| of.readers_cut_off,
    );
    each(
        "vectr_disk_failed",
        Kind::Gauge,
        "1 after a failed sync, until the database is opened again.",
        |of| u64::from(of.fault.is_some()),
    );
}

fn put_shards(to: &mut Exposition, overviews: &[Overview]) {
    let mut each = |name, help, value: fn(&ShardOverview) -> f64| {
        let mut family = to.family(name, Kind::Gauge, help);
        for overview in overviews {
            let database = Service::name_of(overview);
            for shard in &overview.shards {
                family.sample(&[("shard", shard.shard.as_str()), ("database", &database)], value(shard));
            }
        }
    };
    each("vectr_shard_vectors", "Live vectors of a shard.", |shard| shard.vectors as f64);
    each("vectr_shard_conflicts_unresolved", "Conflicts of a shard that wait for a decision.", |shard| {
        shard.unresolved as f64
    });
    each(
        "vectr_shard_last_sync_timestamp_seconds",
        "Time of the last successful sync; 0 if there was none.",
        |shard| seconds(shard.last_sync_at),
    );
}

fn put_peers(to: &mut Exposition, overviews: &[Overview]) {
    let shards: Vec<&ShardOverview> = overviews.iter().flat_map(|overview| &overview.shards).collect();
    let lags = || shards.iter().flat_map(|shard| shard.peers.iter().map(move |peer| (&shard.shard, peer)));
    let help = "Vectors whose current state a peer is not known to have.";
    let mut family = to.family("vectr_peer_changes_behind", Kind::Gauge, help);
    for (shard, lag) in lags() {
        family.sample(&peer_labels(shard, &lag.peer.to_string(), &lag.node), lag.changes);
    }
    let help = "Time of the last report of a peer's progress.";
    let mut family = to.family("vectr_peer_last_contact_timestamp_seconds", Kind::Gauge, help);
    for (shard, lag) in lags() {
        family.sample(&peer_labels(shard, &lag.peer.to_string(), &lag.node), seconds(lag.noted_at));
    }
}

fn peer_labels<'l>(shard: &'l ShardId, peer: &'l str, node: &'l str) -> [(&'l str, &'l str); 3] {
    [("shard", shard.as_str()), ("peer", peer), ("node", node)]
}

fn put_sessions(to: &mut Exposition, statistics: &ServerStatistics) {
    let connections = statistics.connections;
    to.family("vectr_connections", Kind::Gauge, "Live connections of trusted peers.")
        .sample(&[], connections.live);
    to.family("vectr_connections_accepted_total", Kind::Counter, "Accepted connections of trusted peers.")
        .sample(&[], connections.accepted);
    to.family(
        "vectr_socket_failures_total",
        Kind::Counter,
        "Sockets that failed to receive and were bound anew.",
    )
    .sample(&[], statistics.socket_failures);
    to.family("vectr_sessions", Kind::Gauge, "Sessions that are running.").sample(&[], statistics.running);
    to.family(
        "vectr_sessions_refused_total",
        Kind::Counter,
        "Sessions refused because the shard is not served or the server is draining.",
    )
    .sample(&[], statistics.refused);
}

fn put_traffic(to: &mut Exposition, totals: &BTreeMap<ShardId, ShardTotals>) {
    let help = "Sessions by outcome: finished in sync, live and ended after catching up, or failed.";
    let mut sessions = to.family("vectr_sessions_total", Kind::Counter, help);
    for (shard, of) in totals {
        for (outcome, count) in [("finished", of.finished), ("ended", of.ended), ("failed", of.failed)] {
            sessions.sample(&[("shard", shard.as_str()), ("outcome", outcome)], count);
        }
    }
    let mut each = |name, help, value: fn(&ShardTotals) -> u64| {
        let mut family: Family<'_> = to.family(name, Kind::Counter, help);
        for (shard, of) in totals {
            family.sample(&[("shard", shard.as_str())], value(of));
        }
    };
    each("vectr_rows_sent_total", "Rows sent to peers.", |of| of.rows_sent);
    each("vectr_rows_received_total", "Rows received from peers.", |of| of.rows_received);
    each("vectr_rows_applied_total", "Rows received that changed a database.", |of| of.rows_applied);
    each("vectr_rows_repaired_total", "Damaged or lost rows that came back from peers.", |of| {
        of.rows_repaired
    });
    each("vectr_conflicts_detected_total", "Vectors that gained concurrent versions here.", |of| {
        of.conflicts
    });
    each("vectr_sent_bytes_total", "Bytes of frames sent to peers.", |of| of.bytes_sent);
    each("vectr_received_bytes_total", "Bytes of frames received from peers.", |of| of.bytes_received);
}

/// Of shards with live sessions: the counters begin anew when the first one opens.
fn put_feeds(to: &mut Exposition, feeds: &BTreeMap<ShardId, FeedStatistics>) {
    let mut each = |name, kind, help, value: fn(&FeedStatistics) -> u64| {
        let mut family = to.family(name, kind, help);
        for (shard, of) in feeds {
            family.sample(&[("shard", shard.as_str())], value(of));
        }
    };
    let gauge = Kind::Gauge;
    each("vectr_feed_position", gauge, "Change up to which a shard's feed has read.", |of| of.position);
    each("vectr_feed_sessions", gauge, "Live sessions at a shard's feed.", |of| of.sessions);
    each("vectr_feed_sessions_lagging", gauge, "Of these, sessions that have not read all of it.", |of| {
        of.lagging
    });
    let counter = Kind::Counter;
    each("vectr_feed_pages_total", counter, "Pages that a feed has read for all sessions.", |of| of.pages);
    each("vectr_feed_hits_total", counter, "Pages that sessions took from a feed.", |of| of.hits);
    each("vectr_feed_misses_total", counter, "Pages that live sessions read by themselves.", |of| of.misses);
    each(
        "vectr_feed_saved_bytes_total",
        counter,
        "Bytes of rows that sessions did not have to read.",
        |of| of.bytes_saved,
    );
}

/// Totals of every shard, including those without a session, so that each counter starts at zero.
fn totals(overviews: &[Overview], statistics: &ServerStatistics) -> BTreeMap<ShardId, ShardTotals> {
    let shards = overviews.iter().flat_map(|overview| &overview.shards);
    let mut totals: BTreeMap<_, _> =
        shards.map(|shard| (shard.shard.clone(), ShardTotals::default())).collect();
    totals.extend(statistics.shards.iter().map(|(shard, of)| (shard.clone(), *of)));
    totals
}

fn seconds(at: Timestamp) -> f64 {
    at.as_micros() as f64 / 1e6
}
