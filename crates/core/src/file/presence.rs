//! Who has a database open, in this process and others, and what they know together.
//!
//! Each opening holds a shared lock on `<path>.lock`. Who finds nobody there holds it alone for a moment, and may do what
//! nobody else must see: prove the continuity of the file, migrate it, begin its log anew. The system releases the locks
//! of a process that dies.
//!
//! What the file says counts only while somebody has held it ever since it was written: whoever is alone blanks it.
//! So a copy of it, or what a power cut left of it, is never believed.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use vectr_delta::CommitNo;

use crate::CoreError;
use crate::file::location::{FileNumber, beside, is_named};

/// One opening's part in `<path>.lock`. The file is never removed: two openings could otherwise lock different files of
/// the same name.
pub(crate) struct Presence {
    file: File,
    place: PathBuf,
}

/// The life that all who have the file open write in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SharedLife {
    /// As the counters have it: if they have another one, this says nothing.
    pub(crate) token: String,
    /// Whether the token was drawn since somebody has had the file open. If not, the next commit draws one.
    pub(crate) drawn: bool,
    /// See [`boot_moment`](crate::incarnation::boot::boot_moment).
    pub(crate) boot_moment: Option<i64>,
}

/// How an opening found the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// Nobody else has it open, and nobody opens it before [`Presence::admit_others`].
    Alone,
    /// Others have it open, and have set it up.
    Joined,
}

impl Presence {
    /// Locks `<path>.lock`, where `path` has been [resolved](crate::file::location::resolve).
    ///
    /// # Errors
    /// `ERR_BUSY` if somebody is alone with the file for longer than `patience`: an earlier build that has it open, or a
    /// slow migration.
    pub(crate) fn enter(path: &Path, patience: Duration) -> Result<(Self, Company), CoreError> {
        let place = beside(path, ".lock");
        let began = Instant::now();
        loop {
            let options = File::options().create(true).truncate(false).read(true).write(true).open(&place);
            let presence = Self { file: options.map_err(CoreError::io(&place))?, place: place.clone() };
            match presence.lock()? {
                Some(company) if is_named(&presence.file, &place) => return Ok((presence, company)),
                // Somebody has removed it meanwhile.
                Some(_) => {}
                None if began.elapsed() >= patience => return Err(open_elsewhere(path)),
                None => sleep(PAUSE),
            }
        }
    }

    /// `None` while somebody else is alone.
    fn lock(&self) -> Result<Option<Company>, CoreError> {
        match self.file.try_lock() {
            Ok(()) => return Ok(Some(Company::Alone)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(CoreError::io(&self.place)(error)),
        }
        match self.file.try_lock_shared() {
            Ok(()) => Ok(Some(Company::Joined)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(CoreError::io(&self.place)(error)),
        }
    }

    /// Lets others open the file as well, from the one who was alone with it.
    ///
    /// The system may give the lock to another one for a moment, who then is alone as well while this one waits: what
    /// either has done until here may be done twice.
    pub(crate) fn admit_others(&self, number: Option<FileNumber>) -> Result<(), CoreError> {
        if let Some(number) = number {
            // On failure nobody notices a file that takes the name.
            let _ = write_at(&self.file, NUMBER_AT, &bytes_of(number));
        }
        // The locks of Windows would keep all from writing what all must know: there nobody else is let in.
        if cfg!(unix) { self.file.lock_shared().map_err(CoreError::io(&self.place)) } else { Ok(()) }
    }

    /// Whether those who have the file open have another one than that with this number, which has taken its name since.
    /// `None`: there is no file any more, or the system has no such numbers.
    pub(crate) fn is_of_another(&self, number: Option<FileNumber>) -> bool {
        let mut bytes = [0; 16];
        read_at(&self.file, NUMBER_AT, &mut bytes).is_ok()
            && bytes != [0; 16]
            && number.is_none_or(|number| bytes[..] != bytes_of(number))
    }

    /// Tells those who open the file from now on where the record of its continuity is kept. Returns whether they can
    /// know.
    pub(crate) fn set_record(&self, record: &RecordPlace) -> bool {
        let RecordPlace { path, number } = record;
        let name = path.as_os_str().as_encoded_bytes();
        let Ok(length) = u16::try_from(name.len()) else { return false };
        let bytes = [&length.to_le_bytes()[..], &bytes_of(*number), name].concat();
        bytes.len() <= MOST_RECORD_BYTES && write_at(&self.file, RECORD_AT, &bytes).is_ok()
    }

    /// Where the record is kept, if it is. All must use the same: one that some of them do not keep up proves too much.
    pub(crate) fn record(&self) -> io::Result<Option<RecordPlace>> {
        let mut head = [0; 18];
        read_at(&self.file, RECORD_AT, &mut head)?;
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| head[at + byte]));
        let length = usize::from(u16::from_le_bytes([head[0], head[1]]));
        let mut name = vec![0; length.min(MOST_RECORD_BYTES)];
        read_at(&self.file, RECORD_AT + 18, &mut name)?;
        let Ok(name) = String::from_utf8(name) else { return Err(io::ErrorKind::InvalidData.into()) };
        let number = FileNumber { device: number(2), inode: number(10) };
        Ok((length > 0).then(|| RecordPlace { path: name.into(), number }))
    }

    /// Gives up this opening's part. Returns whether it was the last one: then it is alone until [`Presence::release`].
    pub(crate) fn leave(&self) -> bool {
        if self.file.try_lock().is_ok() {
            return true;
        }
        // Of two that leave at once, neither may find itself alone while it holds on to its own part.
        let _ = self.file.unlock();
        sleep(PAUSE);
        self.file.try_lock().is_ok()
    }

    /// Lets go of the lock. Nothing that belongs to the file may be open any more.
    pub(crate) fn release(&self) {
        // If this fails, the lock lasts until the file is dropped.
        let _ = self.file.unlock();
    }

    /// The life in which all write. Read it while no other can commit.
    pub(crate) fn life(&self) -> Option<SharedLife> {
        let mut bytes = [0; LIFE_BYTES];
        read_at(&self.file, LIFE_AT, &mut bytes).ok()?;
        SharedLife::parse(&bytes)
    }

    /// Tells all others of a life, before the commit that begins it: if that fails, the token is none of the file's.
    pub(crate) fn set_life(&self, life: &SharedLife) {
        // On failure the others take a new life.
        let _ = write_at(&self.file, LIFE_AT, &life.bytes());
    }

    /// Sets one of the marks that all see. Returns whether they can.
    pub(crate) fn mark(&self, mark: Mark, set: bool) -> bool {
        write_at(&self.file, mark as u64, &[u8::from(set)]).is_ok()
    }

    /// `None` where the system lets nobody read it.
    pub(crate) fn has_mark(&self, mark: Mark) -> Option<bool> {
        let mut byte = [0];
        read_at(&self.file, mark as u64, &mut byte).ok().map(|()| byte != [0])
    }

    /// Says that somebody waits for the write lock. Returns how [`Presence::is_awaited`] tells this one from others.
    pub(crate) fn wait_for_turn(&self) -> u64 {
        let now = now();
        self.write_number(WAITING_AT, now);
        now
    }

    /// Whether another one than `own` has waited for the write lock a moment ago.
    pub(crate) fn is_awaited(&self, own: u64) -> bool {
        let waited = self.read_number(WAITING_AT).filter(|waited| *waited != own);
        waited.is_some_and(|waited| now().abs_diff(waited) < WAITING.as_micros() as u64)
    }

    /// The sync of the log that was begun last.
    pub(crate) fn sync_begun(&self) -> Option<u64> {
        self.read_number(SYNC_AT)
    }

    pub(crate) fn set_sync_begun(&self, sync: u64) {
        self.write_number(SYNC_AT, sync);
    }

    /// A commit that was seen in the file, while no other could commit.
    pub(crate) fn set_seen(&self, commit_no: CommitNo) {
        self.write_number(SEEN_AT, commit_no);
    }

    pub(crate) fn seen(&self) -> CommitNo {
        self.read_number(SEEN_AT).unwrap_or_default()
    }

    /// Remembers the nonce of a Hello that this opening sends.
    pub(crate) fn note_hello(&self, nonce: u64) {
        self.write_number(hello_at(nonce), nonce);
    }

    /// Whether one who has the file open has sent a Hello with this nonce a moment ago.
    pub(crate) fn has_sent(&self, nonce: u64) -> bool {
        // A place that was never written holds zeros.
        nonce != 0 && self.read_number(hello_at(nonce)) == Some(nonce)
    }

    fn read_number(&self, at: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        read_at(&self.file, at, &mut bytes).ok().map(|()| u64::from_le_bytes(bytes))
    }

    fn write_number(&self, at: u64, number: u64) {
        // What could not be written is told by no other.
        let _ = write_at(&self.file, at, &number.to_le_bytes());
    }

    /// Forgets what others have left. For one who is alone.
    ///
    /// # Errors
    /// `ERR_STORAGE`: what all must know could not be written later either.
    pub(crate) fn blank(&self) -> Result<(), CoreError> {
        let zeros = vec![0; (HELLOS_AT + HELLOS * 8) as usize];
        write_at(&self.file, 0, &zeros).map_err(CoreError::io(&self.place))
    }
}

/// What all know of the disk. Each has a byte of its own in the file, set or not.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(crate) enum Mark {
    /// All of the log is known to be sound as far as syncs have said so.
    LogIsSound = 192,
    /// A sync of the file failed: nothing may be copied from the log any more.
    FileIsLost = 193,
}

/// Where the record of the file's continuity is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordPlace {
    pub(crate) path: PathBuf,
    pub(crate) number: FileNumber,
}

impl SharedLife {
    fn bytes(&self) -> [u8; LIFE_BYTES] {
        let mut bytes = [0; LIFE_BYTES];
        let token = self.token.as_bytes();
        let length = token.len().min(TOKEN_BYTES);
        bytes[..length].copy_from_slice(&token[..length]);
        bytes[TOKEN_BYTES] = 1 + u8::from(self.drawn);
        bytes[MOMENT_AT..CHECKSUM_AT].copy_from_slice(&self.boot_moment.unwrap_or(NO_MOMENT).to_le_bytes());
        let sum = checksum(&bytes[..CHECKSUM_AT]).to_le_bytes();
        bytes[CHECKSUM_AT..].copy_from_slice(&sum);
        bytes
    }

    fn parse(bytes: &[u8; LIFE_BYTES]) -> Option<Self> {
        let (body, sum) = bytes.split_at(CHECKSUM_AT);
        if checksum(body).to_le_bytes() != sum {
            return None;
        }
        let token = std::str::from_utf8(&body[..TOKEN_BYTES]).ok()?.trim_end_matches('\0').to_owned();
        let moment = i64::from_le_bytes(body[MOMENT_AT..].try_into().ok()?);
        let boot_moment = (moment != NO_MOMENT).then_some(moment);
        (!token.is_empty()).then_some(Self { token, drawn: body[TOKEN_BYTES] == 2, boot_moment })
    }
}

pub(crate) fn open_elsewhere(path: &Path) -> CoreError {
    CoreError::Busy {
        what: format!("'{}'", path.display()),
        reason: "it is open elsewhere in a way that does not allow a second opening, under another name or by an earlier \
                 build: close it there first"
            .into(),
    }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): it detects torn or edited records, not attacks.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn bytes_of(FileNumber { device, inode }: FileNumber) -> Vec<u8> {
    [device.to_le_bytes(), inode.to_le_bytes()].concat()
}

const fn hello_at(nonce: u64) -> u64 {
    HELLOS_AT + nonce % HELLOS * 8
}

/// Microseconds since 1970; a clock that jumps makes a waiter seem to wait no more.
fn now() -> u64 {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_micros()).unwrap_or_default()
}

#[cfg(unix)]
fn read_at(file: &File, at: u64, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(unix)]
fn write_at(file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn read_at(file: &File, at: u64, bytes: &mut [u8]) -> io::Result<()> {
    let read = std::os::windows::fs::FileExt::seek_read(file, bytes, at)?;
    if read == bytes.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(windows)]
fn write_at(file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
    if written == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

const LIFE_AT: u64 = 0;
/// Two random numbers of 64 bits in hexadecimal digits.
const TOKEN_BYTES: usize = 32;
const MOMENT_AT: usize = TOKEN_BYTES + 1;
const CHECKSUM_AT: usize = MOMENT_AT + 8;
const LIFE_BYTES: usize = CHECKSUM_AT + 8;
const NO_MOMENT: i64 = i64::MIN;
const NUMBER_AT: u64 = 128;
const WAITING_AT: u64 = 200;
const SYNC_AT: u64 = 208;
const SEEN_AT: u64 = 216;
const RECORD_AT: u64 = 1_024;
const MOST_RECORD_BYTES: usize = 3_072;
const HELLOS_AT: u64 = 4_096;
/// More than the sessions of all openings that are in their handshake at a time.
const HELLOS: u64 = 1_024;
const PAUSE: Duration = Duration::from_millis(2);
/// Longer than between two looks of one who waits.
const WAITING: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(folder: &tempfile::TempDir) -> (Presence, Company) {
        let entered = Presence::enter(&folder.path().join("a.db"), Duration::from_secs(9)).unwrap();
        if entered.1 == Company::Alone && entered.0.has_mark(Mark::FileIsLost).is_none() {
            entered.0.blank().unwrap();
        }
        entered
    }

    fn life(token: &str) -> SharedLife {
        SharedLife { token: token.repeat(32), drawn: true, boot_moment: Some(-5) }
    }

    #[test]
    fn the_first_is_alone_and_so_is_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let (first, company) = enter(&folder);
        assert_eq!(company, Company::Alone);
        first.admit_others(None).unwrap();
        let (second, company) = enter(&folder);
        assert_eq!(company, Company::Joined);
        assert!(!first.leave());
        assert!(second.leave());
        drop((first, second));
        assert_eq!(enter(&folder).1, Company::Alone);
    }

    #[test]
    fn nobody_joins_one_who_is_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (alone, _) = enter(&folder);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| enter(&folder).1);
            sleep(PAUSE * 10);
            assert!(!other.is_finished());
            alone.admit_others(None).unwrap();
            assert_eq!(other.join().unwrap(), Company::Joined);
        });
    }

    #[test]
    fn all_know_the_life_until_nobody_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = enter(&folder);
        assert_eq!(first.life(), None);
        first.admit_others(None).unwrap();
        let (second, _) = enter(&folder);
        for life in [life("a"), SharedLife { drawn: false, boot_moment: None, ..life("b") }] {
            second.set_life(&life);
            assert_eq!(first.life(), Some(life));
        }
        second.mark(Mark::FileIsLost, true);
        assert_eq!(
            (first.has_mark(Mark::FileIsLost), first.has_mark(Mark::LogIsSound)),
            (Some(true), Some(false))
        );
        drop((first, second));
        let (next, _) = enter(&folder);
        next.blank().unwrap();
        assert_eq!((next.life(), next.has_mark(Mark::FileIsLost)), (None, Some(false)));
    }

    #[test]
    fn all_know_where_the_record_is() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = enter(&folder);
        assert_eq!(first.record().unwrap(), None);
        let record = |length| RecordPlace {
            path: PathBuf::from("r".repeat(length)),
            number: FileNumber { device: 5, inode: u64::MAX },
        };
        assert!(first.set_record(&record(3_000)) && !first.set_record(&record(4_000)));
        assert_eq!(first.record().unwrap(), Some(record(3_000)));
    }

    #[test]
    fn a_torn_life_is_none() {
        let mut bytes = life("a").bytes();
        assert_eq!(SharedLife::parse(&bytes), Some(life("a")));
        bytes[3] ^= 1;
        assert_eq!(SharedLife::parse(&bytes), None);
        assert_eq!(SharedLife::parse(&[0; LIFE_BYTES]), None);
    }

    #[test]
    fn a_hello_and_a_wait_of_one_are_known_to_all() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = enter(&folder);
        first.admit_others(None).unwrap();
        let (second, _) = enter(&folder);
        assert!(!second.has_sent(u64::MAX) && !second.is_awaited(0));
        first.note_hello(u64::MAX);
        let own = first.wait_for_turn();
        assert!(second.has_sent(u64::MAX) && !second.has_sent(1));
        assert!(second.is_awaited(0) && !first.is_awaited(own));
    }

    #[test]
    fn a_file_that_took_the_name_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = enter(&folder);
        let number = |inode| Some(FileNumber { device: 1, inode });
        assert!(!first.is_of_another(number(2)) && !first.is_of_another(None));
        first.admit_others(number(2)).unwrap();
        let (second, _) = enter(&folder);
        assert!(
            !second.is_of_another(number(2)) && second.is_of_another(number(3)) && second.is_of_another(None)
        );
    }
}
