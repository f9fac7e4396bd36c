use vectr_transport::fuzzing::control_records;

use crate::bounds::in_memory;
use crate::input::Input;

/// The control stream of a connection over TCP, in pieces of any size.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let step = usize::from(input.byte()) + 1;
    let bytes = input.0;
    let whole = in_memory(bytes.len(), MULTIPLE, || control_records(bytes, bytes.len().max(1)));
    let in_pieces = in_memory(bytes.len(), MULTIPLE, || control_records(bytes, step));
    assert_eq!(whole, in_pieces);
    // Text that a record has no use for is left out.
    let again: Vec<u8> = whole.0.iter().flat_map(|record| record.to_vec()).collect();
    assert!(again.len() <= bytes.len());
    assert_eq!(control_records(&again, step), (whole.0, None));
}

/// A record of six bytes is a value of some forty, in a list that doubles.
const MULTIPLE: usize = 64;
