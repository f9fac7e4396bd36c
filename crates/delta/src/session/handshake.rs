use crate::{Hello, ShardId};

/// Checks whether a session about `shard` with the peer that sent this Hello is possible.
pub(super) fn check_hello(hello: &Hello, shard: &ShardId) -> Result<(), String> {
    let (oldest, newest) = hello.protocol;
    if oldest > Hello::PROTOCOL || newest < Hello::PROTOCOL {
        return Err(format!(
            "protocol versions {oldest} to {newest} are not supported here, only {}",
            Hello::PROTOCOL
        ));
    }
    if hello.shard != *shard {
        return Err(format!("the hello is for shard '{}' instead of '{shard}'", hello.shard));
    }
    Ok(())
}
