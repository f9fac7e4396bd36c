//! What a peer writes into the logs of a node.

use super::peer::{Peer, Talk, hello};
use crate::support::Node;
use vectr_delta::Message;

// The reason of a peer broke lines of the log, and coloured the terminal.
#[tokio::test(flavor = "multi_thread")]
async fn a_reason_of_a_peer_is_one_line_of_text() {
    let node = Node::new("node");
    let peer = Peer::new();
    let listener = peer.endpoint.listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().to_string();
    tokio::spawn(async move {
        while let Some(stream) = listener.accept().await {
            let mut talk = Talk::of(stream);
            let _ = talk.say(&Message::Hello(Box::new(hello(78)))).await;
            talk.reject("ERR_STRANGE", "full\r\n2026 vectr error \u{1b}[31mdisk\u{202e}\u{9b}2J").await;
        }
    });
    let failure = node.sync(&address).await.failure.unwrap();
    assert_eq!(failure.code, "ERR_STRANGE");
    assert!(failure.message.ends_with("full  2026 vectr error  [31mdisk  2J"), "{:?}", failure.message);
}
