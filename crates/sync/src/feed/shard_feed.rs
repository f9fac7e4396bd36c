use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use vectr_core::VectrDB;
use vectr_core::replication::{feed_page, serve};
use vectr_delta::{
    ChangeId, CommitNo, Feed, Page, PageSize, ShardId, ShardVersion, StoreReply, StoreRequest,
};

use crate::feed::statistics::FeedStatistics;
use crate::session::wire::weight_of;

/// The feed of one shard: a task waits for commits, reads what each has changed, waits until that is durable, and only
/// then wakes the sessions, which find the pages here. It ends with the last seat.
pub(super) struct ShardFeed {
    db: VectrDB,
    shard: ShardId,
    size: PageSize,
    /// What the pages of all feeds of the engine weigh.
    weight: Arc<AtomicUsize>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    feed: Feed,
    /// How far the changelog was read, once a session has been there.
    place: Option<Place>,
    seats: HashMap<u64, Option<Waiter>>,
    next_seat: u64,
    reading: Option<AbortHandle>,
    counted: FeedStatistics,
}

/// A session that has all there is, and hears of the next commit after this one.
struct Waiter {
    seen: CommitNo,
    session: UnboundedSender<StoreReply>,
}

/// A place in a shard's changelog.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) position: ChangeId,
    /// The transaction in which it was read up to there.
    pub(crate) commit_no: CommitNo,
    /// Its sites have been named.
    pub(crate) version_vector: ShardVersion,
}

impl Place {
    /// Where a page reaches the end of the changelog, if it does.
    pub(crate) fn at(page: &Page) -> Option<Self> {
        let version_vector = page.end.as_ref()?.version_vector.clone();
        Some(Self { position: page.position, commit_no: page.commit_no, version_vector })
    }
}

impl ShardFeed {
    pub(super) fn new(db: &VectrDB, shard: &ShardId, size: PageSize, weight: Arc<AtomicUsize>) -> Arc<Self> {
        Arc::new(Self { db: db.clone(), shard: shard.clone(), size, weight, state: Mutex::default() })
    }

    pub(super) fn sit_down(&self) -> u64 {
        let mut state = self.state();
        let number = state.next_seat;
        state.next_seat += 1;
        state.seats.insert(number, None);
        number
    }

    pub(super) fn stand_up(&self, seat: u64) {
        let mut state = self.state();
        state.seats.remove(&seat);
        self.drop_what_nobody_needs(&mut state);
    }

    pub(super) fn await_commit(
        self: &Arc<Self>,
        seat: u64,
        place: Place,
        session: &UnboundedSender<StoreReply>,
    ) {
        let mut state = self.state();
        let seen = place.commit_no;
        if state.place.as_ref().is_some_and(|read| read.commit_no > seen) {
            drop(state);
            // Unheard if the session is being dropped.
            let _ = session.send(StoreReply::Committed);
            return;
        }
        state.seats.insert(seat, Some(Waiter { seen, session: session.clone() }));
        if state.reading.is_none() {
            state.place = Some(place);
            state.reading = Some(tokio::spawn(read_commits(Arc::downgrade(self))).abort_handle());
        }
        self.drop_what_nobody_needs(&mut state);
    }

    pub(super) fn page(
        &self,
        after: ChangeId,
        since: CommitNo,
        filter: Option<&ShardVersion>,
    ) -> Option<Page> {
        let mut state = self.state();
        let page = state.feed.page(after, since, filter);
        match &page {
            Some(page) => {
                state.counted.hits += 1;
                state.counted.bytes_saved += weight_of(&page.rows);
            }
            None => state.counted.misses += 1,
        }
        page
    }

    pub(super) fn statistics(&self) -> FeedStatistics {
        let state = self.state();
        let waiting = state.seats.values().flatten().count();
        FeedStatistics {
            position: state.place.as_ref().map_or(0, |place| place.position),
            sessions: state.seats.len() as u64,
            lagging: (state.seats.len() - waiting) as u64,
            ..state.counted
        }
    }

    /// Adds a page that is durable, and wakes those who have not seen its transaction.
    fn publish(&self, after: ChangeId, page: Page, place: Place) {
        let mut state = self.state();
        let others = self.weight.load(Ordering::Relaxed).saturating_sub(state.feed.weight());
        let most = MOST_OF_ALL.saturating_sub(others).min(MOST);
        state.counted.pages += 1;
        self.change(&mut state, |feed| feed.push(after, page, most));
        let commit_no = place.commit_no;
        state.place = Some(place);
        wake(state, |seen| seen < commit_no);
    }

    /// All read for themselves, and find out what is wrong.
    fn fail(&self) {
        let mut state = self.state();
        self.change(&mut state, Feed::clear);
        wake(state, |_| true);
    }

    fn drop_what_nobody_needs(&self, state: &mut State) {
        if state.feed.weight() > 0 && state.seats.values().all(Option::is_some) {
            self.change(state, Feed::clear);
        }
    }

    fn change(&self, state: &mut State, change: impl FnOnce(&mut Feed)) {
        let before = state.feed.weight();
        change(&mut state.feed);
        self.weight.fetch_add(state.feed.weight(), Ordering::Relaxed);
        self.weight.fetch_sub(before, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves once something has been committed behind the place that was read; to `None` if the database is closed.
    fn next_commit(&self) -> impl Future<Output = Option<()>> + use<> {
        let seen = self.state().place.as_ref().map_or(0, |place| place.commit_no);
        let (sender, committed) = oneshot::channel();
        let request = StoreRequest::AwaitCommit(seen);
        let serving = serve(&self.db, &self.shard, request, move |_| {
            // The feed may have ended.
            let _ = sender.send(());
        });
        async move {
            let _subscription = serving;
            committed.await.ok()
        }
    }

    /// Reads what was committed, up to the end of the changelog. Whether that worked.
    async fn read(self: &Arc<Self>) -> bool {
        let Some(mut place) = self.state().place.clone() else { return true };
        loop {
            let (feed, from) = (Arc::clone(self), place.clone());
            let reading = tokio::task::spawn_blocking(move || {
                feed_page(&feed.db, &feed.shard, from.position, &from.version_vector, feed.size)
            });
            let Ok(Ok(page)) = reading.await else { return false };
            if !self.is_durable(page.commit_no).await {
                return false;
            }
            let after = std::mem::replace(&mut place.position, page.position);
            place.commit_no = page.commit_no;
            let is_end = page.end.is_some();
            if let Some(end) = &page.end {
                place.version_vector = end.version_vector.clone();
            }
            self.publish(after, page, place.clone());
            if is_end {
                return true;
            }
        }
    }

    /// Waits until a transaction is durable. Whether it is.
    async fn is_durable(&self, commit_no: CommitNo) -> bool {
        let (sender, durable) = oneshot::channel();
        let request = StoreRequest::AwaitDurable(commit_no);
        let _submitted = serve(&self.db, &self.shard, request, move |reply| {
            // The feed may have ended.
            let _ = sender.send(matches!(reply, StoreReply::Durable(_)));
        });
        durable.await.unwrap_or(false)
    }
}

impl Drop for ShardFeed {
    fn drop(&mut self) {
        let mut state = self.state();
        self.change(&mut state, Feed::clear);
        if let Some(reading) = &state.reading {
            reading.abort();
        }
    }
}

/// Reads each commit as long as there is a feed.
async fn read_commits(feed: Weak<ShardFeed>) {
    let next_commit = || feed.upgrade().map(|feed| feed.next_commit());
    while let Some(committed) = next_commit() {
        let open = committed.await.is_some();
        let Some(feed) = feed.upgrade() else { return };
        let has_read = open && feed.read().await;
        if !has_read {
            feed.fail();
            drop(feed);
            // The sessions fail as well. Others may come.
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn wake(mut state: MutexGuard<'_, State>, is_due: impl Fn(CommitNo) -> bool) {
    let seats = state.seats.values_mut();
    let due: Vec<Waiter> = seats.filter_map(|seat| seat.take_if(|waiter| is_due(waiter.seen))).collect();
    drop(state);
    for waiter in due {
        // Unheard if the session is being dropped.
        let _ = waiter.session.send(StoreReply::Committed);
    }
}

/// What the pages of one feed may weigh.
const MOST: usize = 4 << 20;
/// What those of all feeds of an engine may weigh.
const MOST_OF_ALL: usize = 64 << 20;
const PAUSE: Duration = Duration::from_secs(1);
