use vectr_delta::Frame;
use vectr_transport::fuzzing::{ReadMessages, read_messages};

use crate::bounds::in_memory;
use crate::input::Input;

/// A stream of messages between agents: frames with sound checksums and any bodies.
///
/// A message that arrives keeps the limits of those that are sent, and arrives again when it is sent on.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut frames = Vec::new();
    while let Some(piece) = input.piece() {
        frames.push(Frame::piece(piece.kind, [&[0; Frame::HEAD], piece.body].concat(), piece.more));
    }
    let ReadMessages { messages, fault: _ } = in_memory(data.len(), MULTIPLE, || read_messages(&frames));
    for read in messages {
        read.message.check().expect("a message that arrives keeps every limit");
        let again = read_messages(&read.frames());
        assert_eq!((again.messages.as_slice(), again.fault), (&[read][..], None));
    }
}

/// An array of four bytes in the list becomes a value of some hundred, and its pointer a string.
const MULTIPLE: usize = 64;
