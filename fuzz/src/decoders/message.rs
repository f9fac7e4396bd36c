use bytes::Bytes;
use vectr_delta::{Codec, Frame, FrameDecoder, Lz4Columns, Message, MessageDecoder, Uncompressed};

use crate::bounds::in_memory;
use crate::input::Input;

/// Frames with sound checksums and any bodies: the messages of a session, from its beginning or from anywhere in it.
///
/// Whatever decodes is valid: it encodes again, packed or not, and decodes to the same.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut decoder =
        if input.byte() & 1 == 0 { MessageDecoder::default() } else { MessageDecoder::of_session() };
    while let Some(piece) = input.piece() {
        let body = Bytes::copy_from_slice(piece.body);
        let frame = Frame { kind: piece.kind, more: piece.more, body };
        match in_memory(data.len(), MULTIPLE, || decoder.receive(frame, CODECS)) {
            Ok(message) => message.iter().for_each(check),
            Err(error) => {
                assert!(CODES.contains(&error.code()), "{error:?}");
                return;
            }
        }
    }
}

/// A message that was read encodes, and comes back, with each codec.
pub(crate) fn check(message: &Message) {
    for codec in CODECS {
        let frames = message.encode(*codec).expect("what was read can be sent again");
        let again = decode(&frames).expect("all of it was sent");
        assert_eq!(again.rows(), message.rows(), "rows changed on their way");
        // A batch names sites that no row of it needs only where a stranger has written it.
        if !carries_names(message) {
            assert_eq!(&again, message, "a message changed on its way");
        }
        let same = again.encode(*codec).expect("it was encoded before");
        assert_eq!(same, frames, "one message has two encodings");
    }
}

fn carries_names(message: &Message) -> bool {
    matches!(message, Message::Batch(_) | Message::Repair(_) | Message::HeldRows(_))
}

fn decode(frames: &[Bytes]) -> Option<Message> {
    let (mut split, mut decoder) = (FrameDecoder::default(), MessageDecoder::default());
    let mut found = None;
    for frame in frames {
        split.receive(frame);
        let frame = split.poll_frame().expect("it was just sealed").expect("it is whole");
        assert!(found.is_none(), "a message ended before its last frame");
        found = decoder.receive(frame, CODECS).expect("it was just encoded");
    }
    found
}

pub(crate) const CODECS: &[&dyn Codec] = &[&Uncompressed, &Lz4Columns];
const CODES: [&str; 10] = [
    "ERR_LIMIT",
    "ERR_PROTOCOL",
    "ERR_CHECKSUM",
    "ERR_ARGUMENT",
    "ERR_DIMENSIONS",
    "ERR_VECTOR",
    "ERR_NODE_ID",
    "ERR_CODEC",
    "ERR_CONFIG",
    "ERR_CLOCK_SKEW",
];
/// Of the whole input. See the target `batch` for what a packed batch may take.
pub(crate) const MULTIPLE: usize = 255 * 64;
