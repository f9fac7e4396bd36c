//! A request and its answer between two messengers over loopback, against a bare QUIC stream round trip of as many
//! bytes.
//!
//! `request [rounds]`: percentiles of `rounds` (default 5,000), taken in turns.

use std::time::{Duration, Instant};

use vectr_benches::bare::Mirror;
use vectr_benches::{BenchError, median};
use vectr_transport::{
    Delivery, Endpoint, EndpointConfig, Identity, Message, Messenger, MessengerConfig, Trust,
};

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let rounds = std::env::args().nth(1).map_or(Ok(5_000), |rounds| rounds.parse())?;
    let mut bare = Mirror::open().await?;
    let (near, far) = (messenger()?, messenger()?);
    far.subscribe(None);
    let address = far.listen("127.0.0.1:0").await?.to_string();
    let [mut stream, mut new_stream, mut request] = [const { Vec::new() }; 3];
    for round in 0..rounds + WARM_UP {
        let times = [
            bare.round_trip(PAYLOAD.as_bytes()).await?,
            bare.round_trip_on_a_new_stream(PAYLOAD.as_bytes()).await?,
            ask(&near, &address).await?,
        ];
        if round >= WARM_UP {
            stream.push(times[0]);
            new_stream.push(times[1]);
            request.push(times[2]);
        }
    }
    println!("Microseconds, {rounds} rounds taken in turns; {} bytes each way.\n", PAYLOAD.len());
    println!("| | p50 | p99 |\n| --- | ---: | ---: |");
    row("bare round trip on an open stream", &stream);
    row("bare round trip on a new stream", &new_stream);
    row("request and answer", &request);
    let ratio = |bare: &[Duration]| median(&request).as_secs_f64() / median(bare).as_secs_f64();
    println!(
        "\nA request takes {:.2} times a bare round trip on an open stream, {:.2} times one on a new stream.",
        ratio(&stream),
        ratio(&new_stream)
    );
    near.close().await;
    far.close().await;
    Ok(())
}

fn messenger() -> Result<Messenger, BenchError> {
    let endpoint = Endpoint::new(&Identity::ephemeral()?, &Trust::this_machine(), EndpointConfig::default())?;
    let answer = |Delivery { message, ack, .. }: Delivery| {
        ack.acknowledge();
        // What is small enough to come is small enough to go back.
        let _ = ack.answer(message);
    };
    Ok(Messenger::new(endpoint, MessengerConfig::default(), answer)?)
}

async fn ask(near: &Messenger, address: &str) -> Result<Duration, BenchError> {
    let message = Message {
        id: "1".to_owned(),
        kind: "task".to_owned(),
        payload: Some(PAYLOAD.to_owned()),
        ..Message::default()
    };
    let started = Instant::now();
    near.request(address, message, None).await?;
    Ok(started.elapsed())
}

fn row(what: &str, times: &[Duration]) {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let p99 = sorted.get(sorted.len() * 99 / 100).copied().unwrap_or_default();
    println!("| {what} | {:.0} | {:.0} |", median(times).as_secs_f64() * 1e6, p99.as_secs_f64() * 1e6);
}

const WARM_UP: usize = 200;
const PAYLOAD: &str = "{\"operation\":\"shard_sync\",\"shardId\":\"phrases\",\"vectors\":1000}";
