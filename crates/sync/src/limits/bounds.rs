//! The numbers. `docs/limits.md` says what each of them bounds.

use std::time::Duration;

/// The code of everything that exceeds a limit.
pub(crate) const LIMIT: &str = "ERR_LIMIT";

/// The default of `SyncConfig::max_unsent_bytes`.
pub(crate) const MAX_UNSENT_BYTES: u64 = 32 << 20;

/// The default of `SyncConfig::max_unapplied_bytes`.
pub(crate) const MAX_UNAPPLIED_BYTES: u64 = 32 << 20;

/// Messages that unpack to more are not unpacked on a thread of the runtime, and those with rows one at a time in a node.
/// What an honest node sends is below it, but for a large row and the version vector of a great many sites.
pub(crate) const LARGE_MESSAGE: usize = 512 << 10;

/// Large messages without rows that are decoded at the same time.
pub(crate) const MAX_DECODED_APART: usize = 2;

/// What may have arrived of a message without counting for anything, in bytes: twice a page.
pub(crate) const SMALL_ARRIVAL: u64 = 512 << 10;

/// What a peer has to send within the idle timeout of a message that takes longer than that to arrive, in bytes.
pub(crate) const MIN_PART: usize = 64 << 10;

/// How fast a large message has to arrive once others find no room, in bytes a second.
pub(crate) const MIN_ARRIVAL_RATE: u64 = 64 << 10;

/// The default of `SyncConfig::max_shards_per_peer`.
pub(crate) const MAX_SHARDS_PER_PEER: u32 = 1_000;

/// Of what was read for a peer, the bytes that one session holds before it reads on.
pub(crate) const MAX_UNSENT_OF_SESSION: u64 = 4 << 20;

/// Bytes of messages that wait for the stream. Further ones stay in the session, which then has few.
pub(crate) const MAX_QUEUED_BYTES: u64 = 1 << 20;

/// How often one row is read for a peer that asks for it by id, in one session. A node asks once.
pub(crate) const MAX_ANSWERS: u32 = 4;

/// How many times the idle timeout a peer may take to read one frame.
pub(crate) const WRITE_PATIENCE: u32 = 4;

/// Sessions of a shard with a peer that end so that another one begins at once: so many, and then one a period.
pub(crate) const MAX_RESTARTS: u32 = 8;
pub(crate) const RESTART_PERIOD: Duration = Duration::from_secs(10);

/// New sites that the claims of one peer make this node take: so many, and then one a period. Each of them writes all of
/// this node's versions again.
pub(crate) const MAX_RESETS: u32 = 4;
pub(crate) const RESET_PERIOD: Duration = Duration::from_secs(15 * 60);

/// Those of all peers. Each of them ends the sessions of honest peers, which must have restarts left for that.
pub(crate) const MAX_RESETS_BY_ALL: u32 = 6;
const _: () = assert!(MAX_RESETS_BY_ALL < MAX_RESTARTS);
pub(crate) const RESET_PERIOD_BY_ALL: Duration = Duration::from_secs(4 * 60);

/// Shards that an engine counts sessions of, and above which no peer makes another one.
pub(crate) const MAX_SHARDS: usize = 10_000;

/// Repairs of a shard with one peer in [`REPAIR_PERIOD`]. Each reads all rows of the shard.
pub(crate) const MAX_REPAIRS: u32 = 16;
pub(crate) const REPAIR_PERIOD: Duration = Duration::from_secs(3_600);

/// Keys, mostly pairs of a shard and a peer, of which each memory of an engine knows something.
pub(crate) const MAX_REMEMBERED: usize = 4_096;

/// Entries of all version vectors of Hellos in memory: 64 MiB.
pub(crate) const MAX_HELLO_ENTRIES: usize = 1 << 22;

/// Events that wait for one listener, merged by kind, shard and peer.
pub(crate) const MAX_EVENTS: usize = 10_000;

/// Full checks of auto-syncs that run at once.
pub(crate) const MAX_CHECKS: usize = 8;

/// Streams of sessions that do not count for what the endpoint's configuration lets a peer open.
pub(crate) const MAX_SHARD_STREAMS: usize = 16_384;
