//! Messages in order, of any size, at the receiver's pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use vectr_transport::{EndpointConfig, MAX_MESSAGE, Message, Messenger, StreamName, TransportError};

use crate::support::talk::{Talker, bytes_message, message};
use crate::support::{until, within};

async fn next(messenger: &Messenger, address: &str, stream: &str) -> Message {
    within(messenger.receive(address, &stream.into()).unwrap().message(None)).await.unwrap()
}

/// Streams are closed whenever nothing is in flight, which happens between any two batches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_messages_stay_in_order_while_streams_come_and_go() {
    let (server, heard) = Talker::hearing();
    let client = Talker::restless(|_| {});
    let address = server.listen().await;
    let streams = ["a", "b", "c", "d"];
    let batch = 250;
    for round in 0..100 {
        let sent: Vec<_> = (0..batch)
            .flat_map(|index| streams.map(|stream| (stream, round * batch + index)))
            .map(|(stream, id)| client.messenger.send(&address, message(stream, id), None))
            .collect();
        for acknowledged in sent {
            within(acknowledged).await.unwrap();
        }
        // A moment without messages now and then.
        if round % 10 == 9 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 100_000);
    for stream in streams {
        let ids = heard.iter().filter(|(_, message)| message.stream.text == stream);
        let ids: Vec<usize> = ids.map(|(_, message)| message.id.parse().unwrap()).collect();
        assert!(ids.iter().copied().eq(0..25_000), "stream {stream}");
    }
    assert_eq!(client.node.endpoint.statistics().created, 1);
    let opened = client.messenger.statistics().streams;
    println!("{opened} streams for 4 stream ids");
    assert!(opened >= 20, "{opened} streams: they do not come and go");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_64_mib_arrives_and_one_byte_more_is_refused_before_anything_is_sent() {
    let client = Talker::silent();
    let (server, address, from) = Talker::met(&client).await;
    let bytes: Vec<u8> =
        (0..MAX_MESSAGE as u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let too_large = bytes_message("s", vec![0; MAX_MESSAGE + 1]);
    let refused = within(client.messenger.send(&address, too_large, None)).await.unwrap_err();
    assert_eq!(refused.code(), "ERR_LIMIT");
    assert!(refused.to_string().contains("67108865"), "{refused}");
    let sent = client.messenger.send(&address, bytes_message("s", bytes.clone()), None);
    let received = next(&server.messenger, &from, "s").await;
    assert!(received.attachments[0].bytes == bytes);
    within(sent).await.unwrap();
    until(|| client.messenger.statistics().outgoing_bytes == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_receiver_slows_the_sender_and_bounds_memory() {
    let client = Talker::silent();
    let (server, address, from) = Talker::met(&client).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let (counter, messenger, to) = (Arc::clone(&sent), client.messenger.clone(), address.clone());
    // 128 MiB in all, of which at most 64 are in flight at the sender.
    let sending = tokio::spawn(async move {
        let under_way = Arc::new(tokio::sync::Semaphore::new(1024));
        for _ in 0..2048 {
            let permit = Arc::clone(&under_way).acquire_owned().await.unwrap();
            let acknowledged = messenger.send(&to, bytes_message("slow", vec![7; 64 << 10]), None);
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                acknowledged.await.unwrap();
                counter.fetch_add(1, Ordering::Relaxed);
                drop(permit);
            });
        }
        let _ = under_way.acquire_many(1024).await.unwrap();
    });
    let held = || server.messenger.statistics().incoming_bytes;
    until(|| held() >= 4 << 20 || client.messenger.statistics().outgoing_bytes >= 64 << 20).await;
    // Another stream of the same connection is as fast as ever, long enough to overrun a queue.
    for index in 0..200 {
        let quick = client.messenger.send(&address, message("greetings", index), None);
        within(quick).await.unwrap();
        assert!(held() <= (4 << 20) + (65 << 10), "{} bytes wait", held());
    }
    assert_eq!(sent.load(Ordering::Relaxed), 0, "nothing was taken, so nothing is acknowledged");
    for _ in 0..2048 {
        next(&server.messenger, &from, "slow").await;
        assert!(held() <= (4 << 20) + (65 << 10), "{} bytes wait", held());
    }
    within(sending).await.unwrap();
    assert_eq!(sent.load(Ordering::Relaxed), 2048);
    assert_eq!(server.messenger.statistics().incoming_bytes, 0);
}

#[tokio::test]
async fn more_stream_ids_than_streams_take_turns() {
    let (heard, handler) = crate::support::talk::keeping();
    let mut few = EndpointConfig::default();
    few.max_concurrent_streams(4);
    let server = Talker::limited(few, handler);
    server.messenger.subscribe(None);
    let address = server.listen().await;
    let client = Talker::silent();
    let sent: Vec<_> = (0..40)
        .map(|index| client.messenger.send(&address, message(&format!("stream {index}"), index), None))
        .collect();
    for acknowledged in sent {
        within(acknowledged).await.unwrap();
    }
    assert_eq!(heard.lock().unwrap().len(), 40);
}

#[tokio::test]
async fn receivers_are_served_in_order_and_giving_up_loses_no_message() {
    let client = Talker::silent();
    let (server, address, from) = Talker::met(&client).await;
    let receive = || server.messenger.receive(&from, &"s".into()).unwrap();
    let (first, gone, last) = (receive(), receive(), receive());
    let sent: Vec<_> =
        (0..3).map(|index| client.messenger.send(&address, message("s", index), None)).collect();
    until(|| server.messenger.statistics().incoming_bytes == 0).await;
    for acknowledged in sent {
        within(acknowledged).await.unwrap();
    }
    assert_eq!(within(first.message(None)).await.unwrap().id, "0");
    drop(gone);
    assert_eq!(within(last.message(None)).await.unwrap().id, "2");
    assert_eq!(next(&server.messenger, &from, "s").await.id, "1");
    let late = within(receive().message(Some(Duration::from_millis(1)))).await.unwrap_err();
    assert_eq!(late.code(), "ERR_TIMEOUT");
}

#[tokio::test]
async fn waiting_messages_go_to_a_later_handler() {
    let client = Talker::silent();
    let (heard, handler) = crate::support::talk::keeping();
    let server = Talker::new(handler);
    let address = server.listen().await;
    let sent: Vec<_> =
        (0..5).map(|index| client.messenger.send(&address, message("s", index), None)).collect();
    until(|| server.messenger.statistics().incoming_bytes > 4 * 256).await;
    server.messenger.subscribe(Some("other"));
    assert!(heard.lock().unwrap().is_empty());
    server.messenger.subscribe(Some("s"));
    for acknowledged in sent {
        within(acknowledged).await.unwrap();
    }
    let ids: Vec<String> = heard.lock().unwrap().iter().map(|(_, message)| message.id.clone()).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn closing_fails_all_that_is_pending() {
    let client = Talker::silent();
    let (server, address, from) = Talker::met(&client).await;
    let stream = StreamName::from("s");
    let receiving = server.messenger.receive(&from, &stream).unwrap();
    let sending = client.messenger.send(&address, message("t", 1), None);
    let asking = client.messenger.request(&address, message("t", 2), None);
    until(|| server.messenger.statistics().incoming_bytes > 256).await;
    server.messenger.close().await;
    assert_eq!(within(receiving.message(None)).await.unwrap_err().code(), "ERR_CLOSED");
    for error in [within(sending).await.unwrap_err(), within(asking).await.unwrap_err()] {
        assert_eq!(error.code(), "ERR_PEER_UNREACHABLE");
        assert!(matches!(error, TransportError::Unacknowledged { .. }), "{error}");
    }
    let pending = client.messenger.receive(&address, &stream).unwrap();
    client.messenger.close().await;
    assert_eq!(within(pending.message(None)).await.unwrap_err().code(), "ERR_CLOSED");
    let late = within(client.messenger.send(&address, message("t", 3), None)).await.unwrap_err();
    assert_eq!(late.code(), "ERR_CLOSED");
    assert!(client.messenger.receive(&address, &stream).is_err());
}
