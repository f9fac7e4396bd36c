use std::collections::{BTreeMap, BTreeSet};

use vectr_delta::{
    Applied, Batch, ClockEvidence, CommitNo, Cursor, Dot, Hello, LocalHello, MAX_CLOCK_SKEW, Refusal,
    RemoteApply, Row, ShardRead, ShardWrite, SiteReset, StoreReply, StoreRequest, Timestamp, VectorRow,
    read_hello,
};

use crate::database::StoreError;
use crate::fault::Fault;
use crate::node::{Place, SECOND};
use crate::store::{Committed, News};
use crate::strike::Strike;
use crate::transaction::Transaction;
use crate::world::{Event, World};

impl World {
    /// Handles a session's request. Requests of a process that has ended are dropped; those that a session made before
    /// it ended are still carried out.
    pub(crate) fn carry(&mut self, from: Place, request: StoreRequest) {
        let link = &self.links[from.link];
        let (node, shard, life) = (link.ends[from.side].node, link.shard, link.ends[from.side].life);
        if self.nodes[node].life != life {
            return;
        }
        let reply = match request {
            StoreRequest::ReadHello { peer, offer } => {
                let database = self.nodes[node].store.current();
                let LocalHello { mut hello, held, .. } = read_hello(&database.read(shard), &peer, &offer)
                    .expect("a snapshot reads without errors");
                if self.random.one_in(self.climate.former_builds) {
                    hello.codecs.retain(|ability| *ability != Hello::LISTS);
                }
                let (commit_no, alterations) =
                    (self.leaving_commit(node), database.shards[shard].alterations);
                self.struck.add(Strike::AskedAgain, held.len() as u64);
                if self.fault == Some(Fault::HeldRowsLeaveEarly) && !held.is_empty() {
                    self.empty_lists(node, shard);
                }
                StoreReply::Hello { hello: Box::new(hello), held, commit_no, alterations }
            }
            StoreRequest::ReadPage { after, filter, size, .. } => {
                StoreReply::Page(Box::new(self.page(from, after, filter.as_ref(), size)))
            }
            StoreRequest::AcceptHello(hello) => {
                if self.correct_clock(node, hello.clock) {
                    StoreReply::SiteReset
                } else {
                    self.meet(node, shard, &hello)
                }
            }
            StoreRequest::Apply { remote, batches } => self.apply(from, node, shard, *remote, batches),
            StoreRequest::End { remote, batches, end } => {
                self.take_end(from, node, shard, *remote, batches, &end)
            }
            StoreRequest::FindRows { .. } | StoreRequest::JoinAnswer { .. } => {
                self.carry_question(from, request)
            }
            StoreRequest::SplitRanges(_)
            | StoreRequest::CompareRanges(_)
            | StoreRequest::ReadRange { .. }
            | StoreRequest::JoinRange { .. }
            | StoreRequest::FinishRepair { .. }
            | StoreRequest::SettleRepair(_) => self.carry_repair(from, request),
            StoreRequest::AwaitDurable(commit_no) => return self.await_durable(node, commit_no, from),
            StoreRequest::AwaitCommit(commit_no) => return self.await_commit(node, commit_no, from),
            StoreRequest::ResetSite(forked) => {
                if self.note_fork(node, forked) {
                    self.renew(node, SiteReset::Forked);
                }
                StoreReply::SiteReset
            }
        };
        self.answer(from, reply);
    }

    /// A barrier has completed.
    pub(crate) fn finish_barrier(&mut self, node: usize, life: u64, commit_no: CommitNo) {
        if self.nodes[node].life != life {
            return;
        }
        self.nodes[node].barrier = None;
        let durable = self.sync_log(node, commit_no);
        let waiters = &mut self.nodes[node].durable_waiters;
        let due: Vec<_> = waiters.extract_if(.., |(waits_for, _)| *waits_for <= commit_no).collect();
        let more = !waiters.is_empty();
        for (_, place) in due {
            self.answer(
                place,
                if durable {
                    StoreReply::Durable(commit_no)
                } else {
                    let reason = "the disk failed".to_owned();
                    StoreReply::Failed { code: "ERR_STORAGE".into(), reason, retry: true }
                },
            );
        }
        if more {
            self.start_barrier(node);
        }
    }

    /// Runs one barrier at a time, which covers everything committed when it starts.
    pub(crate) fn start_barrier(&mut self, node: usize) {
        if self.nodes[node].barrier.is_some() {
            return;
        }
        let commit_no = self.nodes[node].store.current().commit_no;
        self.nodes[node].barrier = Some(commit_no);
        // An fsync takes longer than a write.
        let (life, delay) = (self.nodes[node].life, (4 * self.new_delay()).min(5 * SECOND));
        self.schedule(delay, Event::Barrier { node, life, commit_no });
    }

    /// Reports a commit to the oracle and to waiting sessions.
    pub(crate) fn after_commit<T>(&mut self, node: usize, own: bool, committed: &Committed<T>) {
        if !committed.changed {
            return;
        }
        if own && let Err(what) = self.oracle.record(node, committed.commit_no, &committed.puts) {
            self.violate(format!("node {node}: {what}"));
        }
        let rows_only = self.fault == Some(Fault::ClaimsWakeNobody);
        let (links, waiters) = (&self.links, &mut self.nodes[node].commit_waiters);
        let is_due = |(seen, place): &(CommitNo, Place)| {
            committed.commit_no > *seen
                && match committed.news {
                    News::None => false,
                    News::Of { shard, rows } => links[place.link].shard == shard && (rows || !rows_only),
                    News::OfAll => true,
                }
        };
        let due: Vec<_> = waiters.extract_if(.., |waiter| is_due(waiter)).map(|(_, place)| place).collect();
        for place in due {
            self.answer(place, StoreReply::Committed);
        }
        if self.random.one_in(CHECKS) {
            self.check_node(node);
        }
    }

    /// Makes the disk fail in the middle of some transactions.
    pub(crate) fn new_fuse(&mut self) -> Option<u64> {
        let odds = if self.faulty { self.climate.rollbacks } else { 0 };
        self.random.one_in(odds).then(|| self.random.below(6))
    }

    /// Records a rollback.
    pub(crate) fn rolled_back(&mut self, node: usize, strike: Strike) {
        self.struck.count(strike);
        self.note(|| format!("node {node}: {}", strike.name()));
        if self.fault == Some(Fault::ChangeIdUsedAgain) {
            self.nodes[node].store.forget_change_ids();
        }
    }

    fn answer(&mut self, to: Place, reply: StoreReply) {
        let delay = self.new_delay();
        self.schedule(delay, Event::Reply { to, reply });
    }

    /// The commit that must be durable before what is read now may be sent.
    pub(crate) fn leaving_commit(&self, node: usize) -> CommitNo {
        let database = self.nodes[node].store.current();
        match self.fault {
            Some(Fault::BarrierOfLocalChanges) => database.own_commit,
            _ => database.commit_no,
        }
    }

    fn meet(&mut self, node: usize, shard: usize, hello: &Hello) -> StoreReply {
        let early = self.fault == Some(Fault::VersionVectorBeforeEnd);
        let result = self.nodes[node].store.transact(shard, None, |shard| {
            RemoteApply::accept_hello(shard, hello)?;
            if early {
                shard.state_mut().version_vector.join(&hello.version_vector);
            }
            Ok(())
        });
        match result {
            Ok(committed) => {
                self.after_commit(node, false, &committed);
                StoreReply::HelloAccepted
            }
            Err(refusal) => self.refused(node, Strike::EndRolledBack, refusal),
        }
    }

    fn apply(
        &mut self,
        from: Place,
        node: usize,
        shard: usize,
        mut remote: RemoteApply,
        mut batches: Vec<Batch>,
    ) -> StoreReply {
        self.filter_siblings(node, shard, &mut batches);
        let (fuse, wall) = (self.new_fuse(), self.nodes[node].wall(self.now));
        let passes = self.passing_cursor(from, batches.last().map(|batch| batch.position));
        let unlists = self.fault == Some(Fault::HeldRowsUnlisted);
        let result = self.nodes[node].store.transact(shard, fuse, |shard| {
            let applied = remote.apply(shard, &batches, wall)?;
            if unlists {
                shard.forget_lists();
            }
            if let Some((peer, cursor)) = passes.filter(|_| applied.held.is_empty()) {
                shard.set_cursor(&peer, cursor)?;
            }
            Ok(applied)
        });
        match result {
            Ok(committed) => {
                self.after_commit(node, false, &committed);
                StoreReply::Applied { remote: Box::new(remote), applied: committed.value, changes: None }
            }
            Err(refusal) => self.refused(node, Strike::ApplyRolledBack, refusal),
        }
    }

    fn take_end(
        &mut self,
        from: Place,
        node: usize,
        shard: usize,
        mut remote: RemoteApply,
        mut batches: Vec<Batch>,
        end: &vectr_delta::End,
    ) -> StoreReply {
        self.filter_siblings(node, shard, &mut batches);
        let passes = self.passing_cursor(from, Some(end.position));
        let compares_tight_only = self.fault == Some(Fault::LooseShardsDiffer);
        let unlists = self.fault == Some(Fault::HeldRowsUnlisted);
        let ignores = self.fault == Some(Fault::EndIgnoresHeldRows);
        let (fuse, wall) = (self.new_fuse(), self.nodes[node].wall(self.now));
        let result = self.nodes[node].store.transact(shard, fuse, |shard| {
            let applied =
                if batches.is_empty() { Applied::default() } else { remote.apply(shard, &batches, wall)? };
            if compares_tight_only && !(end.tight && shard.state().is_tight()) {
                remote.set_rule(vectr_delta::EndRule::TakeOver);
            }
            let list = if ignores { shard.forget_lists() } else { BTreeMap::new() };
            let ended = remote.end(shard, end)?;
            shard.keep_list(list);
            if unlists {
                shard.forget_lists();
            }
            if let Some((peer, cursor)) = passes {
                shard.set_cursor(&peer, cursor)?;
            }
            Ok((applied, ended))
        });
        match result {
            Ok(committed) => {
                self.after_commit(node, false, &committed);
                let commit_no = self.leaving_commit(node);
                let (applied, ended) = committed.value;
                StoreReply::Ended { remote: Box::new(remote), applied, changes: None, ended, commit_no }
            }
            Err(refusal) => self.refused(node, Strike::EndRolledBack, refusal),
        }
    }

    /// [`Fault::JoinOfSingleSiblings`].
    fn filter_siblings(&self, node: usize, shard: usize, batches: &mut [Batch]) {
        if self.fault != Some(Fault::JoinOfSingleSiblings) {
            return;
        }
        let held = &self.nodes[node].store.current().shards[shard].state.version_vector;
        for batch in batches {
            batch.rows =
                batch.rows.drain(..).filter_map(|entry| without(entry, |dot| held.covers(dot))).collect();
        }
    }

    /// [`Fault::CursorPassesHeldRow`].
    fn passing_cursor(&self, at: Place, position: Option<u64>) -> Option<(vectr_delta::Fingerprint, Cursor)> {
        if self.fault != Some(Fault::CursorPassesHeldRow) {
            return None;
        }
        let ends = &self.links[at.link].ends;
        let peer = self.nodes[ends[1 - at.side].node].fingerprint;
        let changelog = ends[at.side].session.peer()?.changelog;
        Some((peer, Cursor { changelog, position: position? }))
    }

    pub(crate) fn refused(
        &mut self,
        node: usize,
        strike: Strike,
        refusal: Refusal<StoreError>,
    ) -> StoreReply {
        match refusal {
            Refusal::Frontier => StoreReply::Frontier,
            Refusal::NewLife => StoreReply::SiteReset,
            Refusal::Forked => StoreReply::Forked,
            Refusal::Shard(error) => {
                StoreReply::Failed { code: error.code().into(), reason: error.to_string(), retry: false }
            }
            Refusal::Store(error) => {
                self.rolled_back(node, strike);
                StoreReply::Failed { code: error.code().into(), reason: format!("{error:?}"), retry: true }
            }
        }
    }

    fn await_durable(&mut self, node: usize, commit_no: CommitNo, place: Place) {
        let durable = self.nodes[node].synced;
        if durable >= commit_no {
            return self.answer(place, StoreReply::Durable(durable));
        }
        self.nodes[node].durable_waiters.push((commit_no, place));
        self.start_barrier(node);
    }

    fn await_commit(&mut self, node: usize, commit_no: CommitNo, place: Place) {
        let head = self.nodes[node].store.head(self.links[place.link].shard);
        if head > commit_no {
            return self.answer(place, StoreReply::Committed);
        }
        self.nodes[node].commit_waiters.push((commit_no, place));
    }
}

impl World {
    /// A node whose clock was ahead rewrites the versions that its peers do not accept, once one of them shows that it is
    /// right. Returns whether it did.
    fn correct_clock(&mut self, node: usize, peer: Timestamp) -> bool {
        let wall = self.nodes[node].wall(self.now);
        let database = self.nodes[node].store.current();
        let evidence = ClockEvidence {
            wall,
            peer: if self.fault == Some(Fault::ClockWithoutEvidence) { wall } else { peer },
            newest_foreign: match self.fault {
                Some(Fault::ClockWithoutEvidence) => Timestamp::default(),
                _ => database.newest_foreign_stamp(),
            },
            not_before: match self.fault {
                Some(Fault::ClockWithoutEvidence) => Timestamp::default(),
                _ => World::right_time(0),
            },
        };
        let Some(reset) = SiteReset::of_clock(database.last_stamp, &evidence) else { return false };
        self.struck.count(Strike::ClockCorrected);
        self.check_correction(node, peer);
        self.renew(node, reset);
        true
    }

    /// A clock that is behind, as a peer with a right one shows, must not rewrite anything.
    fn check_correction(&mut self, node: usize, peer: Timestamp) {
        let right = World::right_time(self.now);
        let wall = self.nodes[node].wall(self.now);
        let peer_is_right = right.since(peer).max(peer.since(right)) <= MAX_CLOCK_SKEW;
        if peer_is_right && right.since(wall) > 3 * MAX_CLOCK_SKEW {
            self.violate(format!("node {node} rewrites its versions by a clock that is behind"));
        }
    }

    pub(crate) fn renew(&mut self, node: usize, renewal: SiteReset) {
        let (site, changelog) = (self.new_site(), self.new_changelog());
        let wall = self.nodes[node].wall(self.now);
        self.note(|| format!("node {node} renews: {renewal:?}, site {site}"));
        let rewrite = |all: &mut Transaction| -> Result<(), StoreError> {
            let left = all.database.origin.site;
            all.take_site(site, (renewal == SiteReset::Forked).then_some(changelog));
            let own = match renewal {
                SiteReset::Forked => BTreeSet::from([left]),
                SiteReset::ClockCorrected => {
                    all.set_last_stamp(wall);
                    all.database.former.clone()
                }
            };
            for shard in 0..all.database.shards.len() {
                all.shard = shard;
                renewal.rewrite(all, &own, wall)?;
            }
            all.database.own_commit = all.database.commit_no + 1;
            Ok(())
        };
        let committed = self.nodes[node].store.transact(0, None, rewrite);
        let committed = committed.expect("a disk without a fuse does not fail");
        self.after_commit(node, true, &committed);
    }
}

/// The entry without the versions in `held`, but with its whole context.
pub(crate) fn without(entry: VectorRow, held: impl Fn(Dot) -> bool) -> Option<VectorRow> {
    let kept = entry.row.siblings().iter().filter(|sibling| !held(sibling.dot())).cloned().collect();
    Row::new(kept, entry.row.context().clone()).map(|row| VectorRow { id: entry.id, row })
}

/// The whole database is checked after one commit in this many.
const CHECKS: u64 = 12;
