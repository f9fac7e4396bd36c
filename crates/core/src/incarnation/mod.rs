//! Lives of a database. A site is one continuous life, and its numbers must never be given out twice, so a site goes on
//! only if it is proven that nothing happened to the file in between.
//!
//! The proof lies where no snapshot, image, backup or copy of a disk reaches: in volatile memory of this boot
//! ([`runtime_folder`]). Whatever does not match it exactly is a new life, with a new site and a new changelog. Who is
//! alone with the file proves it; all who open it beside others write in the life that those share ([`SharedLife`]).

pub(crate) mod boot;
pub(crate) mod record;
pub(crate) mod runtime_folder;

use std::path::Path;
use std::sync::Arc;

use vectr_delta::CommitNo;

use crate::file::location::FileNumber;
use crate::file::presence::{Company, Presence, RecordPlace, SharedLife};
use crate::incarnation::boot::{BootWatch, may_have_resumed};
use crate::incarnation::record::{LifeRecord, Place, RecordFile};
use crate::random::random_number;
use crate::storage::catalog::Counters;
use crate::{Config, CoreError};

/// The current life of a database.
///
/// If no record can be kept, the database works all the same and takes a new site each time it is opened and written.
pub(crate) struct Incarnation {
    /// `None` in memory.
    presence: Option<Arc<Presence>>,
    /// `None` where nothing can be proven.
    kept: Option<(RecordFile, Place)>,
    /// Of this life, once it has committed.
    token: Option<String>,
    /// Whether others have committed since this opening did.
    others_write: bool,
    /// Watches nothing if the database has a clock of its own, or the system cannot tell.
    pub(crate) boot: Arc<BootWatch>,
}

/// What the record says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Continuity {
    /// It was closed, and nothing has touched it since.
    Closed,
    /// Its process died, and nothing has touched it since.
    Crashed,
    /// It may have been restored, copied or moved, or have lost its last transactions.
    Unproven,
}

impl Incarnation {
    /// For the open file at `path`, whose record is kept in `folder`; or where those keep it who have the file open.
    ///
    /// # Errors
    /// `ERR_BUSY` if others have the file open under another name, or keep a record that cannot be reached here.
    pub(crate) fn of_file(
        path: &Path,
        config: &Config,
        presence: Arc<Presence>,
        company: Company,
    ) -> Result<Self, CoreError> {
        let number = FileNumber::of(path).map_err(CoreError::io(path))?;
        let kept = match company {
            Company::Alone => keep_record(path, number, config, &presence)?,
            Company::Joined => join_record(path, number, &presence)?,
        };
        let boot = if config.clock.is_of_system() { BootWatch::start() } else { BootWatch::default() };
        Ok(Self { presence: Some(presence), kept, token: None, others_write: false, boot: Arc::new(boot) })
    }

    /// In memory nothing is left to prove.
    pub(crate) fn in_memory() -> Self {
        Self { presence: None, kept: None, token: None, others_write: false, boot: Arc::default() }
    }

    /// Whether the file continues where the last life left off. If it does, those who open it from now on hear of that.
    /// Only for one who is alone with the file.
    pub(crate) fn prove(&self, counters: &Counters) -> Continuity {
        let continuity = self.continuity(counters);
        if let (Some(presence), Some(token)) = (&self.presence, &counters.token)
            && continuity != Continuity::Unproven
        {
            let boot_moment = self.boot.moment();
            presence.set_life(&SharedLife { token: token.clone(), drawn: false, boot_moment });
        }
        continuity
    }

    fn continuity(&self, counters: &Counters) -> Continuity {
        let Some((file, place)) = &self.kept else { return Continuity::Unproven };
        let Some(record) = file.read() else { return Continuity::Unproven };
        let same_boot = record.place == *place && !may_have_resumed(record.boot_moment, self.boot.moment());
        let same_state = record.site == counters.origin.site
            && counters.token.as_ref() == Some(&record.token)
            && (counters.change_id, counters.commit_no) == (record.head, record.commit_no);
        match same_boot && same_state {
            true if record.clean => Continuity::Closed,
            true => Continuity::Crashed,
            false => Continuity::Unproven,
        }
    }

    /// Lets others open the file as well.
    pub(crate) fn admit_others(&self) {
        if let Some((record, _)) = &self.kept {
            record.admit_others();
        }
    }

    /// Others were seen to commit.
    pub(crate) const fn note_others(&mut self) {
        self.others_write = true;
    }

    /// Whether all that these counters say was written in the life that those who have the file open share; if so, this
    /// one goes on with it. Call it while no other can commit.
    pub(crate) fn join(&mut self, counters: &Counters) -> bool {
        let Some(presence) = &self.presence else { return false };
        let shared = presence.life().filter(|shared| Some(&shared.token) == counters.token.as_ref());
        // A life from before the machine was resumed is that of another copy.
        let shared = shared.filter(|shared| !self.boot.has_moved_since(shared.boot_moment));
        let Some(shared) = shared else { return false };
        self.token = shared.drawn.then_some(shared.token);
        if self.boot.has_moved() {
            // Another one noticed it, and began that life.
            self.boot.accept();
        }
        true
    }

    /// Before a transaction commits: the first one of this life draws a token, which invalidates every older record, and
    /// true is returned. `begins`: the life begins with this transaction.
    pub(crate) fn draw_token(&mut self, counters: &mut Counters, begins: bool) -> Result<bool, CoreError> {
        if !begins && self.token.is_some() && self.token == counters.token {
            return Ok(false);
        }
        let token = format!("{:016x}{:016x}", random_number()?, random_number()?);
        if let Some(presence) = &self.presence {
            let boot_moment = self.boot.moment();
            presence.set_life(&SharedLife { token: token.clone(), drawn: true, boot_moment });
        }
        counters.token = Some(token.clone());
        self.token = Some(token);
        Ok(true)
    }

    /// After each commit.
    pub(crate) fn record_commit(&self, counters: &Counters) {
        let Some((file, _)) = &self.kept else { return };
        // The commit of another one may have been recorded between this one and now.
        let is_newer = |record: LifeRecord| {
            Some(record.token) == counters.token && record.commit_no >= counters.commit_no
        };
        if !self.others_write || !file.read().is_some_and(is_newer) {
            self.record(counters, false);
        }
    }

    /// Records that the database was closed and that all of it survives a power cut, if nothing in it is unproven. Only
    /// for one who is alone with the file.
    pub(crate) fn record_close(&mut self, counters: &Counters) {
        if self.join(counters) {
            self.record(counters, true);
        }
    }

    /// Ends this life: the next commit is the first of another.
    pub(crate) fn end_life(&mut self) {
        self.token = None;
        self.boot.accept();
    }

    /// The newest commit of this life that is on record, or was seen by others who have the file open: if the file has less,
    /// somebody has restored it under them. Call it while no other can commit.
    pub(crate) fn recorded(&self, counters: &Counters) -> CommitNo {
        match (&self.kept, &self.presence) {
            (Some((file, _)), _) => {
                let of_life = file.read().filter(|record| Some(&record.token) == counters.token.as_ref());
                of_life.map_or(0, |record| record.commit_no)
            }
            (None, Some(presence)) => presence.seen(),
            (None, None) => 0,
        }
    }

    /// These counters were read while no other could commit.
    pub(crate) fn note_seen(&self, counters: &Counters) {
        if let (None, Some(presence)) = (&self.kept, &self.presence) {
            presence.set_seen(counters.commit_no);
        }
    }

    /// Whether others see that this opening has the file open until it is dropped.
    pub(crate) const fn is_seen(&self) -> bool {
        self.kept.is_some()
    }

    fn record(&self, counters: &Counters, clean: bool) {
        let (Some((file, place)), Some(token)) = (&self.kept, &counters.token) else { return };
        let record = LifeRecord {
            site: counters.origin.site,
            token: token.clone(),
            clean,
            head: counters.change_id,
            commit_no: counters.commit_no,
            place: place.clone(),
            boot_moment: self.boot.moment(),
        };
        // On failure the record is older than the file, which costs a new site.
        let _ = file.write(&record);
    }
}

type Kept = Option<(RecordFile, Place)>;

/// The record of one who is alone with the file. All who come later must keep it up as well, so they must know of it.
fn keep_record(
    path: &Path,
    number: Option<FileNumber>,
    config: &Config,
    presence: &Presence,
) -> Result<Kept, CoreError> {
    let (Some(folder), Some(number)) = (runtime_folder::find(config.runtime_dir.as_deref()), number) else {
        presence.blank()?;
        return Ok(None);
    };
    let opened = RecordFile::open(&folder, path, number, config.busy_timeout)?;
    // Only now has everybody closed the file.
    presence.blank()?;
    let known = opened.filter(|(_, place)| presence.set_record(place));
    Ok(known.map(|(record, _)| (record, Place::of(path, number))))
}

/// The record that those keep who have the file open.
fn join_record(path: &Path, number: Option<FileNumber>, presence: &Presence) -> Result<Kept, CoreError> {
    let refuse = |reason: String| Err(CoreError::Busy { what: format!("'{}'", path.display()), reason });
    let Ok(place) = presence.record() else { return refuse("the lock file beside it cannot be read".into()) };
    let (Some(RecordPlace { path: kept, .. }), Some(number)) = (&place, number) else { return Ok(None) };
    match place.as_ref().and_then(RecordFile::join) {
        Some(record) => Ok(Some((record, Place::of(path, number)))),
        None => refuse(format!(
            "others that have it open prove its continuity in '{}', which this process cannot write: give all of them one \
             VECTR_RUNTIME_DIR",
            kept.display()
        )),
    }
}
