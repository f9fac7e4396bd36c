//! Nodes that send each other messages.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use vectr_transport::{
    AckHandle, Attachment, AttachmentKind, Delivery, EndpointConfig, Message, Messenger, MessengerConfig,
};

use super::Node;

/// What a handler was given, in order.
pub type Heard = Arc<Mutex<Vec<(String, Message)>>>;

pub struct Talker {
    pub node: Node,
    pub messenger: Messenger,
}

impl Talker {
    pub fn new(handler: impl Fn(Delivery) + Send + Sync + 'static) -> Self {
        Self::with(Node::new(), MessengerConfig::default(), handler)
    }

    pub fn limited(config: EndpointConfig, handler: impl Fn(Delivery) + Send + Sync + 'static) -> Self {
        Self::with(Node::with(config), MessengerConfig::default(), handler)
    }

    /// Closes idle streams at once.
    pub fn restless(handler: impl Fn(Delivery) + Send + Sync + 'static) -> Self {
        Self::with(Node::new(), MessengerConfig { idle_after: Duration::from_millis(1) }, handler)
    }

    pub fn with(
        node: Node,
        config: MessengerConfig,
        handler: impl Fn(Delivery) + Send + Sync + 'static,
    ) -> Self {
        let messenger = Messenger::new(node.endpoint.clone(), config, handler).unwrap();
        Self { node, messenger }
    }

    /// Has no handler.
    pub fn silent() -> Self {
        Self::new(|_| unreachable!("nothing is subscribed to"))
    }

    /// Takes everything, and keeps it.
    pub fn hearing() -> (Self, Heard) {
        let (heard, handler) = keeping();
        let talker = Self::new(handler);
        talker.messenger.subscribe(None);
        (talker, heard)
    }

    /// A listening node whose handler takes greetings only, its address, and the client's as it is known there.
    pub async fn met(client: &Self) -> (Self, String, String) {
        let (heard, handler) = keeping();
        let server = Self::new(handler);
        server.messenger.subscribe(Some("greetings"));
        let address = server.listen().await;
        client.messenger.send(&address, message("greetings", "hello"), None).await.unwrap();
        let from = heard.lock().unwrap()[0].0.clone();
        (server, address, from)
    }

    pub async fn listen(&self) -> String {
        self.messenger.listen("127.0.0.1:0").await.unwrap().to_string()
    }
}

pub fn keeping() -> (Heard, impl Fn(Delivery) + Send + Sync) {
    let heard = Heard::default();
    let kept = Arc::clone(&heard);
    (heard, move |delivery| drop(keep(&kept, delivery)))
}

/// Takes a message without an answer.
pub fn keep(heard: &Heard, delivery: Delivery) -> AckHandle {
    heard.lock().unwrap().push((delivery.address, delivery.message));
    delivery.ack.acknowledge();
    delivery.ack
}

pub fn message(stream: &str, id: impl ToString) -> Message {
    Message {
        id: id.to_string(),
        kind: "task".to_owned(),
        stream: stream.into(),
        payload: Some("{\"n\":1}".to_owned()),
        ..Message::default()
    }
}

pub fn bytes_message(stream: &str, bytes: Vec<u8>) -> Message {
    let attachment =
        Attachment { pointer: String::new(), kind: AttachmentKind::Bytes, bytes: Bytes::from(bytes) };
    Message { payload: None, attachments: vec![attachment], ..message(stream, "bytes") }
}
