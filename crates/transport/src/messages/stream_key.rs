/// Identifies a stream of messages with one peer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct StreamKey {
    pub(crate) address: String,
    pub(crate) name: String,
}
