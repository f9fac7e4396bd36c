use bytes::{Buf, Bytes, BytesMut};
use quinn::{ReadError, WriteError};

use crate::connection::error::ErrorContext;
use crate::connection::raw::{RawConnection, RawRecv, RawSend};
use crate::protocol::StreamKind;
use crate::trust::{ClusterSecret, Credentials, Exported, MAX_OFFER, Proven, Role, exported_label};
use crate::{Distrust, TransportError, Trust};

/// Has both sides prove that they know the cluster's secret, if this node has one. The client proves it first: a server
/// gives a stranger nothing that a secret could be guessed against.
///
/// # Errors
/// `ERR_TRUST` if the peer proves nothing or does not ask for a proof; otherwise as the connection ended.
pub(crate) async fn exchange(
    raw: &RawConnection,
    trust: &Trust,
    context: &ErrorContext,
    peer: &Credentials,
) -> Result<Proven, TransportError> {
    let secrets = trust.read(|rules| rules.secrets.clone());
    if secrets.is_empty() {
        return Ok(Proven::default());
    }
    let exported = raw.export(exported_label());
    let proven = match peer.role() {
        Role::Server => prove_first(raw, &secrets, &exported).await,
        Role::Client => prove_second(raw, &secrets, &exported).await,
    };
    proven.map_err(|failure| match failure {
        Failure::Connection(error) => context.explain(&error),
        Failure::Unproven => context.untrusted(Some(peer), Distrust::Secret),
    })
}

enum Failure {
    Connection(quinn::ConnectionError),
    Unproven,
}

async fn prove_first(
    raw: &RawConnection,
    secrets: &[ClusterSecret],
    exported: &Exported,
) -> Result<Proven, Failure> {
    let (mut send, mut recv) = raw.open_bi().await.map_err(Failure::Connection)?;
    let offer = ClusterSecret::offer(secrets, exported);
    let kind = Bytes::from_static(&[StreamKind::Proof as u8]);
    write_whole(&mut send, [kind, offer].concat().into()).await?;
    let answer = read_whole(&mut recv, MAX_OFFER, |_| true).await?;
    ClusterSecret::accept(secrets, exported, &answer).ok_or(Failure::Unproven)
}

async fn prove_second(
    raw: &RawConnection,
    secrets: &[ClusterSecret],
    exported: &Exported,
) -> Result<Proven, Failure> {
    let (mut send, mut recv) = raw.accept_bi().await.map_err(Failure::Connection)?;
    let mut offer = read_whole(&mut recv, 1 + MAX_OFFER, is_proof).await?;
    if offer.is_empty() {
        return Err(Failure::Unproven);
    }
    offer.advance(1);
    let (proven, answer) = ClusterSecret::answer(secrets, exported, &offer).ok_or(Failure::Unproven)?;
    // Before the answer: the peer may open streams as soon as it has that.
    raw.mark_proven();
    write_whole(&mut send, answer).await?;
    Ok(proven)
}

async fn write_whole(send: &mut RawSend, bytes: Bytes) -> Result<(), Failure> {
    send.write_chunk(bytes).await.map_err(|error| match error {
        WriteError::ConnectionLost(error) => Failure::Connection(error),
        _ => Failure::Unproven,
    })?;
    send.finish();
    Ok(())
}

/// Reads to the end. Fails as soon as there are more than `max` bytes, or the first one is not accepted.
async fn read_whole(
    recv: &mut RawRecv,
    max: usize,
    accepts_first: impl Fn(u8) -> bool,
) -> Result<Bytes, Failure> {
    let mut whole = BytesMut::new();
    loop {
        let mut chunk = [Bytes::new()];
        match recv.read_chunks(&mut chunk).await {
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(_)) => whole.extend_from_slice(&chunk[0]),
            Err(ReadError::ConnectionLost(error)) => return Err(Failure::Connection(error)),
            Err(_) => return Err(Failure::Unproven),
        }
        if whole.len() > max || whole.first().is_some_and(|first| !accepts_first(*first)) {
            return Err(Failure::Unproven);
        }
    }
}

/// A peer that opens another kind of stream has no secret, so there is no need to read on.
fn is_proof(kind: u8) -> bool {
    StreamKind::from_byte(kind) == Some(StreamKind::Proof)
}
