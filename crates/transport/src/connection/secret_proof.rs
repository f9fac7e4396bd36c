use bytes::{Buf, Bytes, BytesMut};
use quinn::{ReadError, WriteError};

use crate::connection::error::ErrorContext;
use crate::connection::raw::{RawConnection, RawRecv, RawSend};
use crate::protocol::StreamKind;
use crate::trust::{ClusterSecret, Credentials, Exported, MAX_OFFER, Proven, exported_label};
use crate::{Distrust, TransportError, Trust};

/// Proves the cluster's secret to the peer that was called, and has it prove that it knows the same. The side that
/// calls goes first: who merely connects to a listener is given nothing that a secret could be guessed against.
///
/// # Errors
/// `ERR_TRUST` where the peer proves nothing, or wants no proof; as the connection ended.
pub(crate) async fn give(
    raw: &RawConnection,
    trust: &Trust,
    context: &ErrorContext,
    peer: &Credentials,
) -> Result<Proven, TransportError> {
    let secrets = trust.read(|rules| rules.secrets.clone());
    if secrets.is_empty() {
        return Ok(Proven::default());
    }
    let exported = export(raw);
    let offer = ClusterSecret::offer(&secrets, &exported);
    let answer = exchange(raw, offer).await.map_err(|error| match error {
        Failure::Connection(error) => context.explain(&error),
        Failure::Stream => context.untrusted(Some(peer), Distrust::Secret),
    })?;
    ClusterSecret::accept(&secrets, &exported, &answer).ok_or(context.untrusted(Some(peer), Distrust::Secret))
}

/// Has the peer that called prove the cluster's secret before anything else, and proves it in turn.
///
/// # Errors
/// As [`give`].
pub(crate) async fn demand(
    raw: &RawConnection,
    trust: &Trust,
    context: &ErrorContext,
    peer: &Credentials,
) -> Result<Proven, TransportError> {
    let secrets = trust.read(|rules| rules.secrets.clone());
    if secrets.is_empty() {
        return Ok(Proven::default());
    }
    let untrusted = || context.untrusted(Some(peer), Distrust::Secret);
    let (mut send, mut recv) = raw.accept_bi().await.map_err(|error| context.explain(&error))?;
    let mut offer = read_whole(&mut recv, 1 + MAX_OFFER, is_proof).await.map_err(|_| untrusted())?;
    if offer.is_empty() {
        return Err(untrusted());
    }
    offer.advance(1);
    let (proven, answer) = ClusterSecret::answer(&secrets, &export(raw), &offer).ok_or_else(untrusted)?;
    write_whole(&mut send, answer).await.map_err(|_| untrusted())?;
    Ok(proven)
}

enum Failure {
    Connection(quinn::ConnectionError),
    Stream,
}

async fn exchange(raw: &RawConnection, offer: Bytes) -> Result<Bytes, Failure> {
    let (mut send, mut recv) = raw.open_bi().await.map_err(Failure::Connection)?;
    let kind = Bytes::from_static(&[StreamKind::Proof as u8]);
    write_whole(&mut send, [kind, offer].concat().into()).await?;
    read_whole(&mut recv, MAX_OFFER, |_| true).await
}

async fn write_whole(send: &mut RawSend, bytes: Bytes) -> Result<(), Failure> {
    send.write_chunk(bytes).await.map_err(|error| match error {
        WriteError::ConnectionLost(error) => Failure::Connection(error),
        _ => Failure::Stream,
    })?;
    send.finish();
    Ok(())
}

/// Everything up to the end, unless it is more than this, or begins otherwise.
async fn read_whole(
    recv: &mut RawRecv,
    most: usize,
    may_begin: impl Fn(u8) -> bool,
) -> Result<Bytes, Failure> {
    let mut whole = BytesMut::new();
    loop {
        let mut chunk = [Bytes::new()];
        match recv.read_chunks(&mut chunk).await {
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(_)) => whole.extend_from_slice(&chunk[0]),
            Err(ReadError::ConnectionLost(error)) => return Err(Failure::Connection(error)),
            Err(_) => return Err(Failure::Stream),
        }
        if whole.len() > most || whole.first().is_some_and(|first| !may_begin(*first)) {
            return Err(Failure::Stream);
        }
    }
}

/// Whoever opens with anything else has no secret: that need not end before it is known.
fn is_proof(kind: u8) -> bool {
    StreamKind::from_byte(kind) == Some(StreamKind::Proof)
}

fn export(raw: &RawConnection) -> Exported {
    raw.export(exported_label())
}
