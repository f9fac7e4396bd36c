//! Verification of a file against its own digests.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::{Connection, ErrorCode};
use vectr_delta::{
    Digest, Dot, Row, ShardId, ShardRead, ShardVersion, Sibling, SiteId, VectorId, VersionVector,
};

use crate::CoreError;
use crate::storage::catalog::{Counters, shard_ids};
use crate::storage::rows::{EVERY_ROW, ID, SHARD, StoredRow, StoredRows, VERSIONS};
use crate::storage::sites::SiteNumbers;
use crate::storage::snapshot::Snapshot;

/// The result of a check of all stored bytes.
///
/// The check covers SQLite's own structure (`PRAGMA integrity_check`); that every version has the content that it was
/// written with; that every row has all of its versions; that each shard's stored digest is the sum over its rows; and
/// that no number in a row is above the counter that it came from. So it finds a flipped bit in a vector or its
/// metadata, and a live row that was removed, added or replaced behind the database's back. Tombstones are part of no
/// digest: the removal of one is not found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// All shards, ordered by id.
    pub shards: Vec<VerifiedShard>,
    /// The faults, at most 1,000.
    pub faults: Vec<Fault>,
    /// The number of further faults.
    pub omitted: u64,
    /// What is larger than a message carries, at most 1,000. It is no fault: a former build wrote it, and it is used as
    /// before.
    pub oversized: Vec<Oversized>,
}

/// Something in a file that is larger than what nodes tell each other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Oversized {
    /// The shard.
    pub shard: ShardId,
    /// The vector; `None` where it is the shard's version vector.
    pub vector: Option<String>,
    /// What there is too much of.
    pub kind: OversizedKind,
    /// How much there is.
    pub size: u64,
    /// How much a message carries.
    pub limit: u64,
}

/// What there is too much of in an [`Oversized`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OversizedKind {
    /// Sites in the version vector of a shard.
    ShardSites,
    /// Sites in the context of a vector.
    VectorSites,
    /// Concurrent versions of a vector.
    Versions,
}

impl OversizedKind {
    /// `shard-sites`, `vector-sites` or `versions`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShardSites => "shard-sites",
            Self::VectorSites => "vector-sites",
            Self::Versions => "versions",
        }
    }

    /// What comes of it, and the way out.
    #[must_use]
    pub const fn consequence(self) -> &'static str {
        match self {
            Self::ShardSites => {
                "the shard syncs, and nothing is claimed of the sites above; to be told again when all is the same, copy the vectors into a new shard"
            }
            Self::VectorSites | Self::Versions => {
                "it stays here and is not sent to peers, and all others are; write it under another id"
            }
        }
    }
}

impl fmt::Display for Oversized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shard, vector, kind, size, limit } = self;
        write!(f, "above a limit, shard '{shard}'")?;
        if let Some(vector) = vector {
            write!(f, ", vector '{vector}'")?;
        }
        let what = match kind {
            OversizedKind::ShardSites => "sites in the version vector",
            OversizedKind::VectorSites => "sites have changed it",
            OversizedKind::Versions => "concurrent versions",
        };
        write!(f, ": {size} {what}, and a message carries {limit}: {}", kind.consequence())
    }
}

/// The check of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedShard {
    /// The shard.
    pub shard: ShardId,
    /// The number of rows checked, tombstones included.
    pub rows: u64,
    /// The stored digest.
    pub stored: Digest,
    /// The digest of the rows.
    pub computed: Digest,
}

/// A fault in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// What the fault concerns.
    pub kind: FaultKind,
    /// The shard, if the fault concerns one.
    pub shard: Option<ShardId>,
    /// The id of the vector as it is stored, if the fault concerns one.
    pub vector: Option<String>,
    /// A description for people.
    pub reason: String,
}

/// What a fault concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The file's structure, by SQLite's own check.
    File,
    /// One row: its content, its versions or its numbers.
    Row,
    /// A shard's digest.
    Digest,
}

impl FaultKind {
    /// `file`, `row` or `digest`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Row => "row",
            Self::Digest => "digest",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let Some(shard) = &self.shard {
            write!(f, ", shard '{shard}'")?;
        }
        if let Some(vector) = &self.vector {
            write!(f, ", vector '{vector}'")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl Verification {
    /// Whether no fault was found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    fn report(&mut self, kind: FaultKind, shard: Option<&ShardId>, vector: Option<String>, reason: String) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(Fault { kind, shard: shard.cloned(), vector, reason });
        } else {
            self.omitted += 1;
        }
    }

    fn report_file(&mut self, reason: String) {
        self.report(FaultKind::File, None, None, reason);
    }

    /// Notes this if it is above its limit.
    fn measure(
        &mut self,
        kind: OversizedKind,
        shard: &ShardId,
        vector: Option<&VectorId>,
        size: usize,
        limit: usize,
    ) {
        if size > limit && self.oversized.len() < MOST_FAULTS {
            let (size, limit) = (size as u64, limit as u64);
            let vector = vector.map(ToString::to_string);
            self.oversized.push(Oversized { shard: shard.clone(), vector, kind, size, limit });
        }
    }
}

pub(crate) fn verify(snapshot: &Snapshot<'_>, sites: &SiteNumbers) -> Result<Verification, CoreError> {
    let mut check = Check::begin(snapshot, sites)?;
    check.structure();
    check.rows();
    check.orphans();
    Ok(check.finish())
}

/// One run over a file. What cannot be read is reported as a fault, and the run continues.
struct Check<'c> {
    connection: &'c Connection,
    rows: StoredRows<'c>,
    counters: Counters,
    shards: BTreeMap<i64, Counted>,
    found: Verification,
}

struct Counted {
    shard: VerifiedShard,
    /// The newest change number of the current site.
    head: u64,
}

impl<'c> Check<'c> {
    fn begin(snapshot: &Snapshot<'c>, sites: &'c SiteNumbers) -> Result<Self, CoreError> {
        let connection = snapshot.connection();
        let mut check = Self {
            connection,
            rows: StoredRows { connection, sites, shard: 0 },
            counters: snapshot.counters().clone(),
            shards: BTreeMap::new(),
            found: Verification::default(),
        };
        let site = check.site();
        for id in shard_ids(connection)? {
            let shard = match snapshot.shard(&id) {
                Ok(shard) => shard,
                Err(error) => {
                    check.found.report(FaultKind::Digest, Some(&id), None, error.to_string());
                    continue;
                }
            };
            let number = shard.rows().shard;
            let (sites, limit) = (shard.stored_sites(), ShardVersion::MAX_SITES);
            check.found.measure(OversizedKind::ShardSites, &id, None, sites, limit);
            let head = shard.state().version_vector.seq(site);
            let (stored, computed) = (shard.state().digest, Digest::default());
            let shard = VerifiedShard { shard: id, rows: 0, stored, computed };
            check.shards.insert(number, Counted { shard, head });
        }
        Ok(check)
    }

    fn structure(&mut self) {
        let mut said = Vec::new();
        let asked = self.connection.pragma_query(None, "integrity_check", |row| {
            said.push(row.get::<_, String>(0)?);
            Ok(())
        });
        if let Err(error) = asked {
            self.found.report_file(error.to_string());
        }
        for line in said.into_iter().filter(|line| line != "ok") {
            self.found.report_file(line);
        }
    }

    fn rows(&mut self) {
        if let Err(error) = self.visit_rows() {
            self.found.report_file(format!("the rows cannot be read to their end: {error}"));
        }
    }

    fn visit_rows(&mut self) -> rusqlite::Result<()> {
        // In the order of the table: each page is read once.
        let mut statement = self.connection.prepare(EVERY_ROW)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(SHARD)?;
            match self.rows.read(row) {
                Ok(stored) => self.take(number, &stored, row.get(VERSIONS)?),
                Err(CoreError::Sqlite { source, .. }) if is_corrupt(&source) => return Err(source),
                Err(error) => {
                    let shard = self.shards.get(&number).map(|counted| counted.shard.shard.clone());
                    let id = row.get_ref(ID)?.as_bytes().map(|id| String::from_utf8_lossy(id).into_owned());
                    self.found.report(FaultKind::Row, shard.as_ref(), id.ok(), error.to_string());
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, number: i64, stored: &StoredRow, versions: i64) {
        let site = self.site();
        let newest = self.counters.change_id;
        let (id, row) = (&stored.entry.id, &stored.entry.row);
        let Some(counted) = self.shards.get_mut(&number) else {
            let reason = format!("it belongs to shard {number}, which is missing");
            return self.found.report(FaultKind::Row, None, Some(id.to_string()), reason);
        };
        counted.shard.rows += 1;
        counted.shard.computed.add(&counted.shard.shard, id, row);
        let shard = counted.shard.shard.clone();
        let (sites, standing) = (row.context().len(), row.siblings().len());
        self.found.measure(OversizedKind::VectorSites, &shard, Some(id), sites, VersionVector::MAX_SITES);
        self.found.measure(OversizedKind::Versions, &shard, Some(id), standing, Row::MAX_SIBLINGS);
        let mut faults = content_faults(row, versions);
        if stored.change_id > newest {
            faults.push(format!("its change id {} is above the counter, {newest}", stored.change_id));
        }
        if let Some(Dot { seq, .. }) = own_above(row, site, counted.head) {
            faults.push(format!("its number {seq} is above the newest given out, {}", counted.head));
        }
        for reason in faults {
            self.found.report(FaultKind::Row, Some(&shard), Some(id.to_string()), reason);
        }
    }

    /// Versions that belong to no row in conflict.
    fn orphans(&mut self) {
        let found = self.connection.query_row(ORPHANS, [], |row| row.get::<_, i64>(0));
        let said = match found {
            Ok(0) => return,
            Ok(count) => format!("{count} concurrent versions belong to no row in conflict"),
            Err(error) => error.to_string(),
        };
        self.found.report_file(said);
    }

    fn finish(mut self) -> Verification {
        let mut shards: Vec<VerifiedShard> = self.shards.into_values().map(|counted| counted.shard).collect();
        shards.sort_by(|one, other| one.shard.cmp(&other.shard));
        for VerifiedShard { shard, stored, computed, .. } in &shards {
            if stored != computed {
                let reason = format!(
                    "the digest of the rows is {computed}, and the stored one is {stored}: {}",
                    difference(stored, computed)
                );
                self.found.report(FaultKind::Digest, Some(shard), None, reason);
            }
        }
        Verification { shards, ..self.found }
    }

    fn site(&self) -> SiteId {
        self.counters.origin.site
    }
}

fn content_faults(row: &Row, versions: i64) -> Vec<String> {
    let mut faults = Vec::new();
    let standing = row.siblings().len();
    if i64::try_from(standing) != Ok(versions) {
        faults.push(format!("{versions} versions should stand, and {standing} are there"));
    }
    for sibling in row.siblings().iter().filter(|sibling| !sibling.is_intact()) {
        let dot = sibling.dot();
        faults.push(format!(
            "version {}:{} is not what was written: its content has another hash",
            dot.site, dot.seq
        ));
    }
    faults
}

/// A version of the current site that it never wrote: its number would be used again for another change.
fn own_above(row: &Row, site: SiteId, head: u64) -> Option<Dot> {
    row.siblings().iter().map(Sibling::dot).find(|dot| dot.site == site && dot.seq > head)
}

fn difference(stored: &Digest, computed: &Digest) -> String {
    match (stored.rows(), computed.rows()) {
        (kept, there) if kept > there => format!("{} rows are missing", kept - there),
        (kept, there) if kept < there => format!("{} rows are too many", there - kept),
        _ => "a row is not what was written".to_owned(),
    }
}

fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::SystemIoFailure))
}

const MOST_FAULTS: usize = 1000;
const ORPHANS: &str = "SELECT count(*) FROM sibling WHERE NOT EXISTS (SELECT 1 FROM row WHERE row.n = sibling.row AND versions > 1)";
