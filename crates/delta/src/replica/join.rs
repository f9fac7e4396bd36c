use std::borrow::Cow;

use super::acceptance::{check_content, check_counts};
use super::outcome::{Applied, Refusal};
use super::shard::insert_row;
use crate::{
    Alteration, MAX_CLOCK_SKEW, Operation, Row, ShardState, ShardWrite, Sibling, SiteId, Timestamp, VectorId,
    VectorRow, VersionVector, replace_row,
};

/// Which content of one version is kept where two nodes differ about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// The greater on both nodes. That the two differ about a version of this node's site is a sign of a copy that goes on
    /// under the same site, and so is one that this node never wrote.
    Greater,
    /// The peer's: rows of this shard are known to be lost or altered. No difference is a sign of a copy.
    Peers,
    /// This node's: rows of the peer are known to be lost or altered. No difference is a sign of a copy.
    Own,
    /// The greater on both nodes: rows of both are known to be lost or altered. No difference is a sign of a copy.
    Either,
}

/// The result of [`join_rows`].
#[derive(Clone, Debug, Default)]
pub struct JoinReport {
    /// What the rows before the refused one did.
    pub applied: Applied,
    /// The first row that was refused. Later rows were not examined, and the transaction must be rolled back.
    pub refused: Option<RefusedRow>,
}

/// A row that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// The vector.
    pub id: VectorId,
    /// The reason: `ERR_CLOCK_SKEW`, `ERR_DIMENSIONS`, `ERR_VECTOR`, `ERR_ARGUMENT` or `ERR_LIMIT`.
    pub code: &'static str,
    /// The row's newest timestamp.
    pub newest: Timestamp,
}

/// Joins whole rows that did not arrive through a session, all of them or none. `wall` is this node's clock.
///
/// It is unknown what else the sender holds, so neither the version vector nor a cursor advances. A later session reads
/// the rows again, without effect.
///
/// # Errors
/// [`Refusal::Forked`] if a row has a dot of this node's site that this node never gave to that vector, or a context
/// that covers one it never gave out; [`Refusal::Store`] if the storage fails.
pub fn join_rows<W: ShardWrite + ?Sized>(
    shard: &mut W,
    rows: &[VectorRow],
    wall: Timestamp,
) -> Result<JoinReport, Refusal<W::Error>> {
    let mut report = JoinReport::default();
    for entry in rows {
        report.applied.received += 1;
        match join_row(shard, entry, wall, Preference::Greater)? {
            Joined::Unchanged => {}
            Joined::Changed { conflict } => report.applied.note_change(&entry.id, conflict),
            Joined::Refused(code) => {
                let newest = entry.row.newest();
                report.refused = Some(RefusedRow { id: entry.id.clone(), code, newest });
                break;
            }
        }
    }
    Ok(report)
}

/// Whether a version vector, given as the number of each site, covers changes of this node's site that this node has not
/// made.
pub(crate) fn claims_unknown_changes<W: ShardWrite + ?Sized>(
    shard: &W,
    claimed: impl Fn(SiteId) -> u64,
) -> bool {
    let site = shard.origin().site;
    claimed(site) > shard.state().version_vector.seq(site)
}

/// The effect of joining one row.
pub(crate) enum Joined {
    /// The shard already had all of it.
    Unchanged,
    /// The shard has changed. `conflict`: the vector has gained concurrent versions.
    Changed { conflict: bool },
    /// The row was refused, with this error code.
    Refused(&'static str),
}

/// Joins a row with the one that the shard holds. A refused row changes nothing.
///
/// # Errors
/// [`Refusal::Forked`]; [`Refusal::Store`] if the storage fails.
pub(crate) fn join_row<W: ShardWrite + ?Sized>(
    shard: &mut W,
    entry: &VectorRow,
    wall: Timestamp,
    preference: Preference,
) -> Result<Joined, Refusal<W::Error>> {
    let detects_forks = preference == Preference::Greater;
    if claims_unknown_changes(shard, |site| entry.row.context().seq(site)) {
        // Rows that were altered behind a node's back may claim anything; what the node claims as a whole it did not read
        // from them.
        return if detects_forks { Err(Refusal::Forked) } else { Ok(Joined::Refused("ERR_CHECKSUM")) };
    }
    if let Err(code) = check_row(shard.state(), &entry.row, wall) {
        return Ok(Joined::Refused(code));
    }
    if is_new_insert(shard, &entry.row) && insert_row(shard, &entry.id, &entry.row)? {
        adopt_dimensions(shard, &entry.row);
        return Ok(Joined::Changed { conflict: false });
    }
    let old = shard.row(&entry.id)?;
    let heard = match &old {
        Some(old) if preference != Preference::Greater => without_unheard(shard.state(), old),
        Some(old) => Some(Cow::Borrowed(old)),
        None => None,
    };
    let believed = |mine: &Sibling| mine.is_intact() && preference != Preference::Peers;
    let healed = heard.as_ref().map(|heard| replace_unsound(heard, &entry.row, believed));
    if detects_forks && has_forked_dot(shard, &entry.row, healed.as_deref())? {
        return Err(Refusal::Forked);
    }
    let new = match &healed {
        Some(healed) => join_by(preference, healed, &entry.row).within_limit(),
        None => match join_frontier(&entry.row, &shard.state().frontier) {
            Some(row) => row,
            None => return Ok(Joined::Unchanged),
        },
    };
    // Equal rows have equal hashes; that the bytes held here still match theirs is another matter.
    let keeps = |old: &Row| *old == new && (old.is_intact() || !new.is_intact());
    if old.as_ref().is_some_and(keeps) {
        return Ok(Joined::Unchanged);
    }
    if new.siblings().is_empty() || check_counts(&new).is_err() {
        return Ok(Joined::Refused("ERR_LIMIT"));
    }
    let held = old.as_ref().map_or(&[][..], Row::siblings);
    let gained =
        |sibling: &Sibling| !held.iter().any(|old| old.dot() == sibling.dot() || old.is_twin(sibling));
    let conflict = new.is_conflict() && new.siblings().iter().any(gained);
    adopt_dimensions(shard, &new);
    replace_row(shard, &entry.id, old.as_ref(), &new)?;
    Ok(Joined::Changed { conflict })
}

/// Joins two rows, either of which may have been altered behind its node's back: what an altered row does not hold, its
/// context has not superseded, unless it has something new.
fn join_by(preference: Preference, mine: &Row, theirs: &Row) -> Row {
    match preference {
        Preference::Own if !has_news(theirs, mine) => mine.clone(),
        Preference::Own => mine.join(&replace_unsound(theirs, mine, |_| false)),
        Preference::Peers if !has_news(mine, theirs) => theirs.clone(),
        Preference::Peers | Preference::Greater | Preference::Either => mine.join(theirs),
    }
}

/// Checks a received row. Refusing it does not block other rows.
fn check_row(state: &ShardState, row: &Row, wall: Timestamp) -> Result<(), &'static str> {
    if row.newest().since(wall) > MAX_CLOCK_SKEW {
        return Err("ERR_CLOCK_SKEW");
    }
    check_content(state, row).map_err(|error| error.code())
}

/// Whether the shard most likely does not have this vector: the row is another site's first write, and no tombstones
/// were collected. If the row exists after all, the caller falls through to a normal join.
fn is_new_insert<W: ShardWrite + ?Sized>(shard: &W, row: &Row) -> bool {
    let [only] = row.siblings() else { return false };
    only.operation() == Operation::Insert
        && only.dot().site != shard.origin().site
        && shard.state().frontier.is_empty()
}

/// Whether a row has a version that the other neither holds nor has superseded.
fn has_news(row: &Row, to: &Row) -> bool {
    let is_news =
        |version: &Sibling| to.sibling(version.dot()).is_none() && !to.context().covers(version.dot());
    row.siblings().iter().any(is_news)
}

/// Whether the row has a dot of this node's site that this node did not give to this vector, or gave to other content. A
/// node whose rows were altered cannot tell.
fn has_forked_dot<W: ShardWrite + ?Sized>(shard: &W, row: &Row, old: Option<&Row>) -> Result<bool, W::Error> {
    let site = shard.origin().site;
    let context = old.map_or(&shard.state().frontier, Row::context);
    let unknown = row.siblings().iter().filter(|sibling| sibling.dot().site == site).any(|sibling| match old
        .and_then(|old| old.sibling(sibling.dot()))
    {
        Some(held) => held != sibling,
        None => !context.covers(sibling.dot()),
    });
    Ok(unknown && shard.alteration()? == Alteration::None)
}

/// What remains of a row of an altered shard without versions that were never written or received here. `None`: nothing.
fn without_unheard<'r>(state: &ShardState, row: &'r Row) -> Option<Cow<'r, Row>> {
    let is_heard = |version: &&Sibling| state.has_heard_of(version.dot());
    if row.siblings().iter().all(|version| is_heard(&version)) {
        return Some(Cow::Borrowed(row));
    }
    let heard: Vec<Sibling> = row.siblings().iter().filter(is_heard).cloned().collect();
    Row::new(heard, VersionVector::new()).map(Cow::Owned)
}

/// The row with those of its versions that are not believed replaced by the other's, where that one has a sound one.
/// Nothing of a damaged version is to be believed but its dot, not even the hash.
fn replace_unsound<'r>(row: &'r Row, other: &Row, is_believed: impl Fn(&Sibling) -> bool) -> Cow<'r, Row> {
    let sounder = |version: &Sibling| {
        other.sibling(version.dot()).filter(|theirs| !is_believed(version) && theirs.is_intact())
    };
    if row.siblings().iter().all(|version| sounder(version).is_none()) {
        return Cow::Borrowed(row);
    }
    let siblings = row.siblings().iter().map(|version| sounder(version).unwrap_or(version).clone());
    let replaced = Row::new(siblings.collect(), row.context().clone());
    replaced.map_or(Cow::Borrowed(row), Cow::Owned)
}

/// Joins a row with what remains of a collected vector: no siblings, and the frontier as its context.
fn join_frontier(row: &Row, frontier: &VersionVector) -> Option<Row> {
    if frontier.is_empty() {
        return Some(row.clone());
    }
    let kept = row.siblings().iter().filter(|sibling| !frontier.covers(sibling.dot())).cloned().collect();
    let mut context = row.context().clone();
    context.join(frontier);
    Row::new(kept, context)
}

fn adopt_dimensions<W: ShardWrite + ?Sized>(shard: &mut W, row: &Row) {
    if shard.state().descriptor.dimensions.is_some() {
        return;
    }
    if let Some(payload) = row.siblings().iter().find_map(Sibling::payload) {
        shard.state_mut().descriptor.dimensions = Some(payload.dimensions());
    }
}
