use vectr_delta::{DeltaError, Frame, FrameDecoder};

use crate::bounds::in_memory;
use crate::input::Input;

/// A stream of frames in pieces of any size: raw, or with lengths and checksums put right.
///
/// The frames do not depend on the pieces, and encode to the very bytes that they were read from.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (mode, step) = (input.byte(), usize::from(input.byte()) + 1);
    let stream = if mode & 1 == 0 { input.0.to_vec() } else { sealed(input) };
    let (whole, refused) = in_memory(stream.len(), MULTIPLE, || read(&stream, stream.len().max(1)));
    let (in_pieces, refused_in_pieces) = in_memory(stream.len(), MULTIPLE, || read(&stream, step));
    assert_eq!(whole, in_pieces);
    assert_eq!(refused, refused_in_pieces);
    let again: Vec<u8> = whole.iter().flat_map(encode).collect();
    assert!(stream.starts_with(&again), "a frame encodes to other bytes than it was read from");
}

fn read(stream: &[u8], step: usize) -> (Vec<Frame>, Option<&'static str>) {
    let (mut decoder, mut frames) = (FrameDecoder::default(), Vec::new());
    for piece in stream.chunks(step) {
        decoder.receive(piece);
        loop {
            match decoder.poll_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(code_of(&error))),
            }
        }
    }
    (frames, None)
}

fn code_of(error: &DeltaError) -> &'static str {
    let code = error.code();
    assert!(["ERR_LIMIT", "ERR_PROTOCOL", "ERR_CHECKSUM"].contains(&code), "{code}");
    code
}

fn encode(frame: &Frame) -> Vec<u8> {
    let body = [&[0; Frame::HEAD], frame.body.as_ref()].concat();
    Frame::piece(frame.kind, body, frame.more).to_vec()
}

fn sealed(mut input: Input<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while let Some(piece) = input.piece() {
        stream.extend(Frame::piece(piece.kind, [&[0; Frame::HEAD], piece.body].concat(), piece.more));
    }
    stream
}

/// The stream is copied into a buffer that doubles, and each frame may keep such a buffer alive.
const MULTIPLE: usize = 16;
