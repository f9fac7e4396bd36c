use bytes::{Bytes, BytesMut};
use quinn::{ReadError, RecvStream, SendStream, WriteError};

use crate::connection_error::Ends;
use crate::protocol::StreamKind;
use crate::trust::{ClusterSecret, Credentials, Exported, MAX_OFFER, Proven, exported_label};
use crate::{Distrust, TransportError, Trust};

/// Proves the cluster's secret to the peer that was called, and has it prove that it knows the same. The side that
/// calls goes first: who merely connects to a listener is given nothing that a secret could be guessed against.
///
/// # Errors
/// `ERR_TRUST` where the peer proves nothing, or wants no proof; as the connection ended.
pub(crate) async fn give(
    connection: &quinn::Connection,
    trust: &Trust,
    ends: &Ends,
    peer: &Credentials,
) -> Result<Proven, TransportError> {
    let secrets = trust.read(|rules| rules.secrets.clone());
    if secrets.is_empty() {
        return Ok(Proven::default());
    }
    let exported = export(connection);
    let offer = ClusterSecret::offer(&secrets, &exported);
    let answer = exchange(connection, offer).await.map_err(|error| match error {
        Failure::Connection(error) => ends.explain(&error),
        Failure::Stream => ends.untrusted(Some(peer), Distrust::Secret),
    })?;
    ClusterSecret::accept(&secrets, &exported, &answer).ok_or(ends.untrusted(Some(peer), Distrust::Secret))
}

/// Has the peer that called prove the cluster's secret before anything else, and proves it in turn.
///
/// # Errors
/// As [`give`].
pub(crate) async fn demand(
    connection: &quinn::Connection,
    trust: &Trust,
    ends: &Ends,
    peer: &Credentials,
) -> Result<Proven, TransportError> {
    let secrets = trust.read(|rules| rules.secrets.clone());
    if secrets.is_empty() {
        return Ok(Proven::default());
    }
    let untrusted = || ends.untrusted(Some(peer), Distrust::Secret);
    let (mut send, mut recv) = connection.accept_bi().await.map_err(|error| ends.explain(&error))?;
    // Whoever opens with anything else has no secret: that need not end before it is known.
    let mut kind = [0];
    let opened = recv.read_exact(&mut kind).await;
    if opened.is_err() || StreamKind::from_byte(kind[0]) != Some(StreamKind::Proof) {
        return Err(untrusted());
    }
    let offer = read_whole(&mut recv, MAX_OFFER).await.map_err(|_| untrusted())?;
    let (proven, answer) =
        ClusterSecret::answer(&secrets, &export(connection), &offer).ok_or_else(untrusted)?;
    write_whole(&mut send, answer).await.map_err(|_| untrusted())?;
    Ok(proven)
}

enum Failure {
    Connection(quinn::ConnectionError),
    Stream,
}

async fn exchange(connection: &quinn::Connection, offer: Bytes) -> Result<Bytes, Failure> {
    let (mut send, mut recv) = connection.open_bi().await.map_err(Failure::Connection)?;
    let kind = Bytes::from_static(&[StreamKind::Proof as u8]);
    write_whole(&mut send, [kind, offer].concat().into()).await?;
    read_whole(&mut recv, MAX_OFFER).await
}

async fn write_whole(send: &mut SendStream, bytes: Bytes) -> Result<(), Failure> {
    send.write_chunk(bytes).await.map_err(|error| match error {
        WriteError::ConnectionLost(error) => Failure::Connection(error),
        _ => Failure::Stream,
    })?;
    send.finish().map_err(|_| Failure::Stream)
}

/// Everything up to the end, unless it is more than this.
async fn read_whole(recv: &mut RecvStream, most: usize) -> Result<Bytes, Failure> {
    let mut whole = BytesMut::new();
    loop {
        match recv.read_chunk(most + 1 - whole.len(), true).await {
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(chunk)) => whole.extend_from_slice(&chunk.bytes),
            Err(ReadError::ConnectionLost(error)) => return Err(Failure::Connection(error)),
            Err(_) => return Err(Failure::Stream),
        }
        if whole.len() > most {
            return Err(Failure::Stream);
        }
    }
}

fn export(connection: &quinn::Connection) -> Exported {
    let mut exported = Exported::default();
    connection
        .export_keying_material(&mut exported, exported_label(), b"")
        .expect("the handshake is complete, and 32 bytes are not too many");
    exported
}
