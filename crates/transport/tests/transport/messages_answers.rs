//! Requests and their answers, addresses that lead back, and trust.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use vectr_transport::{AckHandle, Delivery, Message, Messenger, TransportError};

use crate::support::talk::{Talker, bytes_message, keep, keeping, message};
use crate::support::{Node, pin_each_other, until, within};

/// Answers `echo`, fails at `fail`, keeps the handles of `keep`, and takes everything else without an answer.
fn answering() -> (Talker, Arc<Mutex<Vec<AckHandle>>>) {
    let acks = Arc::<Mutex<Vec<AckHandle>>>::default();
    let kept = Arc::clone(&acks);
    let talker = Talker::new(move |Delivery { message, ack, .. }| {
        ack.acknowledge();
        match message.kind.as_str() {
            "echo" => ack.answer(Message { kind: "result".to_owned(), ..message }).unwrap(),
            "fail" => ack.fail("no such task"),
            "keep" => kept.lock().unwrap().push(ack),
            _ => drop(ack),
        }
    });
    talker.messenger.subscribe(None);
    (talker, acks)
}

fn task(kind: &str, id: impl ToString) -> Message {
    Message { kind: kind.to_owned(), ..message("work", id) }
}

async fn ask(messenger: &Messenger, address: &str, message: Message) -> Result<Message, TransportError> {
    within(messenger.request(address, message, None)).await
}

#[tokio::test]
async fn a_request_gets_what_the_handler_answers_each_its_own() {
    let ((server, acks), client) = (answering(), Talker::silent());
    let address = server.listen().await;
    let kept: Vec<_> = (0..10)
        .map(|index| client.messenger.request(&address, task("keep", index), None))
        .map(|request| tokio::spawn(request))
        .collect();
    until(|| acks.lock().unwrap().len() == 10).await;
    let answer = ask(&client.messenger, &address, task("echo", "quick")).await.unwrap();
    assert_eq!((answer.id.as_str(), answer.kind.as_str()), ("quick", "result"));
    // Answered in the opposite order.
    for index in (0..10).rev() {
        let ack = acks.lock().unwrap().pop().unwrap();
        ack.answer(message("work", format!("answer {index}"))).unwrap();
    }
    for (index, request) in kept.into_iter().enumerate() {
        let answer = within(request).await.unwrap().unwrap();
        assert_eq!(answer.id, format!("answer {index}"));
    }
}

#[tokio::test]
async fn a_large_answer_arrives_whole() {
    let ((server, acks), client) = (answering(), Talker::silent());
    let address = server.listen().await;
    let request = tokio::spawn(client.messenger.request(&address, task("keep", 0), None));
    until(|| acks.lock().unwrap().len() == 1).await;
    let bytes = vec![9; 20 << 20];
    acks.lock().unwrap().pop().unwrap().answer(bytes_message("work", bytes.clone())).unwrap();
    let answer = within(request).await.unwrap().unwrap();
    assert!(answer.attachments[0].bytes == bytes);
}

#[tokio::test]
async fn a_failing_handler_is_an_error_for_its_requester_only() {
    let ((server, _), client) = (answering(), Talker::silent());
    let address = server.listen().await;
    let error = ask(&client.messenger, &address, task("fail", 1)).await.unwrap_err();
    assert_eq!(error.code(), "ERR_HANDLER");
    assert!(error.to_string().contains("no such task"), "{error}");
    within(client.messenger.send(&address, task("fail", 2), None)).await.unwrap();
    ask(&client.messenger, &address, task("echo", 3)).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_an_error_on_both_sides() {
    let ((server, acks), client) = (answering(), Talker::silent());
    let address = server.listen().await;
    let request = tokio::spawn(client.messenger.request(&address, task("keep", 0), None));
    until(|| acks.lock().unwrap().len() == 1).await;
    let ack = acks.lock().unwrap().pop().unwrap();
    let error = ack.answer(bytes_message("work", vec![0; (64 << 20) + 1])).unwrap_err();
    assert_eq!(error.code(), "ERR_LIMIT");
    assert_eq!(within(request).await.unwrap().unwrap_err().code(), "ERR_HANDLER");
}

#[tokio::test]
async fn without_an_answer_only_the_callers_limit_ends_a_request() {
    let ((server, acks), client) = (answering(), Talker::silent());
    let address = server.listen().await;
    // The limit counts from the call: the connection is made before, and the message has time to arrive.
    ask(&client.messenger, &address, task("echo", 0)).await.unwrap();
    let enough = Some(Duration::from_millis(500));
    let error = within(client.messenger.request(&address, task("keep", 1), enough)).await.unwrap_err();
    assert_eq!(error.code(), "ERR_TIMEOUT");
    let limit = Some(Duration::from_millis(20));
    // The late answer changes nothing.
    until(|| acks.lock().unwrap().len() == 1).await;
    acks.lock().unwrap().pop().unwrap().answer(message("work", "late")).unwrap();
    assert_eq!(ask(&client.messenger, &address, task("echo", 2)).await.unwrap().id, "2");

    let silent = Talker::silent();
    let nobody = silent.listen().await;
    let error = within(client.messenger.request(&nobody, task("echo", 3), limit)).await.unwrap_err();
    assert_eq!(error.code(), "ERR_TIMEOUT");
    let error = within(client.messenger.send(&nobody, task("echo", 4), limit)).await.unwrap_err();
    assert_eq!(error.code(), "ERR_TIMEOUT");
}

/// Some agents do not return answers; they send them to where the request came from.
#[tokio::test]
async fn a_message_sent_back_answers_a_request_over_the_connection_that_it_came_on() {
    let requests = Arc::<Mutex<Vec<(String, Message)>>>::default();
    let (server, heard) = {
        let (heard, handler) = keeping();
        (Talker::new(handler), heard)
    };
    server.messenger.subscribe(None);
    let client = Talker::silent();
    let address = server.listen().await;
    let first = tokio::spawn(client.messenger.request(&address, task("task", "first"), None));
    until(|| heard.lock().unwrap().len() == 1).await;
    let second = tokio::spawn(client.messenger.request(&address, task("task", "second"), None));
    until(|| heard.lock().unwrap().len() == 2).await;
    requests.lock().unwrap().append(&mut heard.lock().unwrap());
    let from = requests.lock().unwrap()[0].0.clone();
    // The second one by its id, the other one in order.
    within(server.messenger.send(&from, task("result", "second"), None)).await.unwrap();
    within(server.messenger.send(&from, task("result", "by order"), None)).await.unwrap();
    assert_eq!(within(second).await.unwrap().unwrap().id, "second");
    assert_eq!(within(first).await.unwrap().unwrap().id, "by order");
    assert_eq!(server.node.endpoint.statistics().created, 0, "nothing was dialled back");
    // Without a request, messages go to receivers for the dialled address.
    let receiving = client.messenger.receive(&address, &"work".into()).unwrap();
    within(server.messenger.send(&from, task("status", "later"), None)).await.unwrap();
    assert_eq!(within(receiving.message(None)).await.unwrap().id, "later");
}

#[tokio::test]
async fn two_nodes_that_listen_talk_both_ways() {
    let ((a, _), (b, _)) = (answering(), answering());
    let (at_a, at_b) = (a.listen().await, b.listen().await);
    assert_eq!(ask(&a.messenger, &at_b, task("echo", 1)).await.unwrap().id, "1");
    assert_eq!(ask(&b.messenger, &at_a, task("echo", 2)).await.unwrap().id, "2");
}

#[tokio::test]
async fn untrusted_peers_get_nothing_and_trust_counts_from_one_moment_to_the_next() {
    let (heard, handler) = keeping();
    let server = Talker::new(handler);
    server.messenger.subscribe(None);
    let address = server.listen().await;
    let client = Talker::silent();
    let stranger = Node::new();
    server.node.trust.pin(stranger.fingerprint());
    let error = within(client.messenger.send(&address, task("task", 1), None)).await.unwrap_err();
    assert_eq!(error.code(), "ERR_TRUST", "{error}");
    assert!(heard.lock().unwrap().is_empty());

    pin_each_other(&server.node, &client.node);
    within(client.messenger.send(&address, task("task", 2), None)).await.unwrap();
    let from = heard.lock().unwrap()[0].0.clone();
    server.node.trust.unpin(&client.node.fingerprint());
    client.node.is_disconnected().await;
    let error = within(client.messenger.send(&address, task("task", 3), None)).await.unwrap_err();
    assert_eq!(error.code(), "ERR_TRUST", "{error}");
    assert_eq!(heard.lock().unwrap().len(), 1);
    let back = Some(Duration::from_secs(20));
    let error = within(server.messenger.send(&from, task("task", 4), back)).await.unwrap_err();
    assert!(["ERR_TRUST", "ERR_PEER_UNREACHABLE"].contains(&error.code()), "{error}");
}

#[tokio::test]
async fn an_address_without_a_listener_is_unreachable_for_all_waiting_callers() {
    let client = Talker::silent();
    let server = Talker::silent();
    let address = server.listen().await;
    server.messenger.close().await;
    let sent: Vec<_> =
        (0..3).map(|index| client.messenger.send(&address, task("task", index), None)).collect();
    for failed in sent {
        let error = within(failed).await.unwrap_err();
        assert_eq!(error.code(), "ERR_PEER_UNREACHABLE");
        assert!(!matches!(error, TransportError::Unacknowledged { .. }), "{error}");
    }
    let error = client.messenger.receive("not an address", &"s".into()).err().unwrap();
    assert_eq!(error.code(), "ERR_ARGUMENT");
    let error = within(client.messenger.send(&address, message("", 1), None)).await.unwrap_err();
    assert_eq!(error.code(), "ERR_ARGUMENT");
}

/// Each message is received once, or its sender learns that it failed; none is lost after it was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_restarts_loses_nothing_that_was_acknowledged_and_hears_nothing_twice() {
    let heard = crate::support::talk::Heard::default();
    let start = async |address: &str| {
        let kept = Arc::clone(&heard);
        let server = Talker::new(move |delivery| drop(keep(&kept, delivery)));
        server.messenger.subscribe(None);
        // While it was free, a client of another test may have taken the port.
        let free = async {
            loop {
                match server.messenger.listen(address).await {
                    Ok(bound) => return bound.to_string(),
                    Err(error) => assert_eq!(error.code(), "ERR_CONFIG", "{error}"),
                }
                tokio::task::yield_now().await;
            }
        };
        let bound = within(free).await;
        (server, bound)
    };
    let (mut server, address) = start("127.0.0.1:0").await;
    let client = Talker::restless(|_| {});
    let (mut acknowledged, mut failed) = (Vec::new(), 0);
    for round in 0..10 {
        let sent: Vec<_> = (0..500)
            .map(|index| round * 500 + index)
            .map(|id| (id, tokio::spawn(client.messenger.send(&address, message("s", id), None))))
            .collect();
        until(|| heard.lock().unwrap().len() > round * 200).await;
        server.messenger.close().await;
        for (id, outcome) in sent {
            match within(outcome).await.unwrap() {
                Ok(()) => acknowledged.push(id.to_string()),
                Err(error) => {
                    // A listener that is closing refuses like one that is full.
                    let codes = ["ERR_PEER_UNREACHABLE", "ERR_BUSY"];
                    assert!(codes.contains(&error.code()), "{error}");
                    failed += 1;
                }
            }
        }
        server = start(&address).await.0;
    }
    let heard: Vec<String> = heard.lock().unwrap().iter().map(|(_, message)| message.id.clone()).collect();
    let mut once = heard.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), heard.len(), "nothing is heard twice");
    println!("{} acknowledged, {failed} failed, {} heard", acknowledged.len(), heard.len());
    assert!(acknowledged.iter().all(|id| once.binary_search(id).is_ok()));
    let numbers: Vec<usize> = heard.iter().map(|id| id.parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "and all in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_close_the_handler_is_not_called_again() {
    let calls = Arc::<Mutex<(usize, usize)>>::default();
    let counted = Arc::clone(&calls);
    let server = Talker::new(move |_| {
        counted.lock().unwrap().0 += 1;
        std::thread::sleep(Duration::from_millis(20));
        counted.lock().unwrap().1 += 1;
    });
    server.messenger.subscribe(None);
    let address = server.listen().await;
    let client = Talker::silent();
    let sent: Vec<_> =
        (0..20).map(|id| tokio::spawn(client.messenger.send(&address, message("s", id), None))).collect();
    until(|| calls.lock().unwrap().0 > 0).await;
    within(server.messenger.close()).await;
    let (begun, ended) = *calls.lock().unwrap();
    assert_eq!(begun, ended);
    for outcome in sent {
        drop(within(outcome).await);
    }
    assert_eq!(calls.lock().unwrap().0, begun);
}
