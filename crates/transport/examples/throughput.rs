//! Bytes per second over one warm stream on loopback: `cargo run --release -p vectr-transport --example throughput`.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use bytes::Bytes;
use vectr_transport::{Endpoint, EndpointConfig, Identity, Listener, Trust};

const TOTAL: usize = 15 << 20;
const ROUNDS: usize = 15;

#[tokio::main]
async fn main() {
    let piece = std::env::args().nth(1).map_or(64, |kib| kib.parse().unwrap()) * 1024;
    let endpoint = || {
        Endpoint::new(&Identity::ephemeral().unwrap(), &Trust::this_machine(), EndpointConfig::default())
            .unwrap()
    };
    let (server, client) = (endpoint(), endpoint());
    let listener = server.listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().to_string();
    tokio::spawn(sink(listener));
    let bytes = Bytes::from(vec![7; piece]);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut stream = client.open(&address, None).await.unwrap();
        let started = Instant::now();
        for _ in 0..TOTAL / piece {
            stream.send.write(bytes.clone()).await.unwrap();
        }
        stream.send.finish();
        assert!(stream.recv.read().await.unwrap().is_some());
        times.push(started.elapsed());
    }
    let first = times[0];
    times.sort();
    let median = times[ROUNDS / 2];
    let rate = (TOTAL as f64) / 1e6 / median.as_secs_f64();
    println!("15 MiB in pieces of {} KiB: first {first:?}, median {median:?}, {rate:.0} MB/s", piece / 1024);
    println!("round trip: {:?}", client.ping(&address).await.unwrap());
    client.close().await;
    server.close().await;
}

/// Reads everything and answers with one byte.
async fn sink(listener: Listener) {
    while let Some(mut stream) = listener.accept().await {
        while stream.recv.read().await.unwrap().is_some() {}
        stream.send.write(Bytes::from_static(b"!")).await.unwrap();
        stream.send.finish();
    }
}
