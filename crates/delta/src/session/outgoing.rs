use std::collections::{BTreeSet, VecDeque};

use super::direction::Direction;
use super::{SessionReport, StoreRequest, Warning};
use crate::wire::TooManySites;
use crate::{
    Batch, ChangeId, CommitNo, End, HeldMessage, HeldRow, Hello, Message, Page, PageSize, ShardVersion,
    SiteId, UnsentRow, VersionVector, Withheld,
};

/// The sending half: reads pages ahead, holds them until they are durable, and keeps within the peer's window.
#[derive(Debug)]
pub(super) struct Outgoing {
    nonce: u64,
    filter: Option<ShardVersion>,
    live: bool,
    /// Whether the peer assembles ends that span frames.
    reads_spans: bool,
    size: PageSize,
    window: u64,
    /// The changelog has been read up to here.
    position: ChangeId,
    /// The position that the peer is told: stays below the first row that could not be sent, and that the peer was not
    /// told of.
    announced: ChangeId,
    is_capped: bool,
    /// Whether the peer puts rows that it is told of on a list, and how many it was told of since the last batch or
    /// end.
    peer_lists: bool,
    told: usize,
    withheld_sites: BTreeSet<SiteId>,
    withheld: bool,
    /// Whether the sites of a row that could not be sent are unknown.
    claims_nothing: bool,
    reading: bool,
    exhausted: bool,
    /// Rows of the pages taken so far.
    found: u64,
    /// Rows of the changelog that are still to be looked at, once they are counted.
    left: Option<u64>,
    pages: VecDeque<Page>,
    next_index: u64,
    batches: u64,
    acknowledged: u64,
    ends: u64,
    durable_ends: u64,
    /// The last end sent, unless rows were sent since.
    last_end: Option<LastEnd>,
    /// Positions of the ends that the peer has not confirmed, oldest first.
    unconfirmed: VecDeque<ChangeId>,
    /// Position of the last end that the peer has confirmed.
    confirmed: ChangeId,
}

#[derive(Debug)]
struct LastEnd {
    position: ChangeId,
    frontier: VersionVector,
}

impl Outgoing {
    pub(super) fn new(
        direction: Direction,
        peer: &Hello,
        live: bool,
        peer_lists: bool,
        size: PageSize,
    ) -> Self {
        Self {
            nonce: peer.nonce,
            filter: direction.filter,
            live,
            reads_spans: peer.reads_spans(),
            size,
            window: u64::from(peer.window.clamp(1, MAX_WINDOW)),
            position: direction.start,
            announced: direction.start,
            is_capped: false,
            peer_lists,
            told: 0,
            withheld_sites: BTreeSet::new(),
            withheld: false,
            claims_nothing: false,
            reading: false,
            exhausted: false,
            found: 0,
            left: None,
            pages: VecDeque::new(),
            next_index: 0,
            batches: 0,
            acknowledged: 0,
            ends: 0,
            durable_ends: 0,
            last_end: None,
            unconfirmed: VecDeque::new(),
            confirmed: 0,
        }
    }

    /// The peer has this node's changelog up to here, except for rows that it holds back.
    pub(super) const fn confirmed(&self) -> ChangeId {
        self.confirmed
    }

    pub(super) fn take_page(&mut self, page: Page, report: &mut SessionReport) {
        self.reading = false;
        self.position = page.position;
        self.exhausted = page.end.is_some();
        self.found += page.rows.len() as u64;
        let left = page.left.or(self.left.map(|left| left.saturating_sub(page.scanned)));
        self.left = if self.exhausted { Some(0) } else { left };
        report.rows_to_send = self.left.map(|left| self.found + left);
        for row in &page.withheld {
            self.withheld = true;
            self.claims_nothing |= row.sites.is_empty();
            self.withheld_sites.extend(&row.sites);
            report.warn(Warning::Withheld { id: row.id.clone(), code: row.code });
        }
        self.pages.push_back(page);
    }

    pub(super) const fn resume(&mut self) {
        self.exhausted = false;
    }

    /// Adds what the peer says it holds to what is not sent.
    pub(super) fn extend_filter(&mut self, held: &ShardVersion) {
        if let Some(filter) = &mut self.filter {
            filter.join(held);
        }
    }

    pub(super) fn receive_ack(&mut self, batches: u64) -> Result<(), &'static str> {
        if batches < self.acknowledged || batches > self.batches {
            return Err("an acknowledgement of batches that were not sent");
        }
        self.acknowledged = batches;
        Ok(())
    }

    pub(super) fn receive_durable(&mut self) -> Result<(), &'static str> {
        let Some(position) = self.unconfirmed.pop_front() else {
            return Err("a confirmation of an end that was not sent");
        };
        self.confirmed = position;
        self.durable_ends += 1;
        Ok(())
    }

    /// Sends durable pages within the peer's window.
    ///
    /// # Errors
    /// If the peer's build cannot take in the version vector: the session has to end.
    pub(super) fn send_pages(
        &mut self,
        durable: CommitNo,
        store: &mut VecDeque<StoreRequest>,
        transmit: &mut VecDeque<Message>,
        report: &mut SessionReport,
    ) -> Result<(), TooManySites> {
        while self.unacknowledged() < self.window {
            // Each end costs the peer an fsync; it refuses more unconfirmed ends than its window.
            let room = self.ends - self.durable_ends < self.window;
            let may_leave = |page: &mut Page| page.commit_no <= durable && (room || page.end.is_none());
            let Some(page) = self.pages.pop_front_if(may_leave) else { break };
            self.send(page, store, transmit, report)?;
        }
        Ok(())
    }

    /// The next page to read, unless one is being read or enough are waiting.
    pub(super) fn read_ahead(&mut self) -> Option<StoreRequest> {
        let ahead = self.pages.len() as u64 + self.unacknowledged();
        if self.reading || self.exhausted || ahead >= self.window {
            return None;
        }
        self.reading = true;
        let (filter, counts) = (self.filter.clone(), self.left.is_none());
        Some(StoreRequest::ReadPage { after: self.position, filter, size: self.size, counts })
    }

    /// The transaction that has to be durable before the pages may be sent.
    pub(super) fn awaits_durable(&self) -> Option<CommitNo> {
        self.pages.back().map(|page| page.commit_no)
    }

    pub(super) const fn is_done(&self) -> bool {
        !self.live && self.ends == 1 && self.durable_ends == 1
    }

    /// Whether the peer has confirmed all there is.
    pub(super) fn is_settled(&self) -> bool {
        let read = self.exhausted && !self.reading && self.pages.is_empty();
        read && self.ends > 0 && self.durable_ends == self.ends && self.unacknowledged() == 0
    }

    const fn unacknowledged(&self) -> u64 {
        self.batches - self.acknowledged
    }

    fn send(
        &mut self,
        page: Page,
        store: &mut VecDeque<StoreRequest>,
        transmit: &mut VecDeque<Message>,
        report: &mut SessionReport,
    ) -> Result<(), TooManySites> {
        self.tell_unsent(&page.withheld, transmit);
        if !self.is_capped {
            self.announced = page.position;
        }
        if !page.rows.is_empty() {
            self.told = 0;
            self.last_end = None;
            report.rows_sent += page.rows.len() as u64;
            self.batches += 1;
            transmit.push_back(Message::Batch(Batch {
                nonce: self.nonce,
                index: self.take_index(),
                position: self.announced,
                frontier: page.frontier.clone(),
                names: page.names,
                rows: page.rows,
            }));
        }
        let Some(end) = page.end else { return Ok(()) };
        if self.live {
            store.push_back(StoreRequest::AwaitCommit(page.commit_no));
        }
        let mut version_vector = end.version_vector;
        version_vector.remove_sites(&self.withheld_sites);
        if self.claims_nothing {
            version_vector = ShardVersion::new();
        }
        // The peer passes over rows with the next batch or End.
        if self.told == 0 && self.is_redundant(&version_vector, &page.frontier) {
            return Ok(());
        }
        self.told = 0;
        self.ends += 1;
        self.unconfirmed.push_back(self.announced);
        self.last_end = Some(LastEnd { position: self.announced, frontier: page.frontier.clone() });
        let mut end = End {
            nonce: self.nonce,
            index: self.take_index(),
            position: self.announced,
            version_vector,
            frontier: page.frontier,
            digest: end.digest,
            // The digest counts the withheld rows, which the peer cannot have.
            tight: end.tight && !self.withheld,
            names: end.names,
        };
        end.fit(self.reads_spans)?;
        transmit.push_back(Message::End(Box::new(end)));
        Ok(())
    }

    /// Tells the peer which rows the next position passes over. It stays below one of which the peer cannot be told.
    fn tell_unsent(&mut self, withheld: &[Withheld], transmit: &mut VecDeque<Message>) {
        self.told += withheld.len();
        self.is_capped |= !withheld.is_empty() && (!self.peer_lists || self.told > HeldRow::MAX_ROWS);
        if self.is_capped {
            return;
        }
        for rows in withheld.chunks(HeldMessage::MAX_IDS) {
            let unsent = rows.iter().map(unsent_row).collect();
            transmit.push_back(Message::HeldRows(Box::new(HeldMessage::Unsent(unsent))));
        }
    }

    /// Whether an end would only echo what the peer has just sent. If such ends were sent, two live nodes would answer
    /// each other forever. Without one the peer's cursor stays where it is, and covered rows are scanned once more.
    fn is_redundant(&self, version_vector: &ShardVersion, frontier: &VersionVector) -> bool {
        let Some(last) = self.last_end.as_ref().filter(|_| self.live) else { return false };
        let known = self.filter.as_ref().is_some_and(|held| held.covers_all(version_vector));
        known && last.frontier == *frontier && self.announced - last.position < MAX_CURSOR_LAG
    }

    const fn take_index(&mut self) -> u64 {
        let index = self.next_index;
        self.next_index += 1;
        index
    }
}

fn unsent_row(row: &Withheld) -> UnsentRow {
    let sites = if row.sites.len() > UnsentRow::MAX_SITES { Vec::new() } else { row.sites.clone() };
    UnsentRow { id: row.id.clone(), sites }
}

const MAX_WINDOW: u16 = 256;

/// How far a live peer's cursor may fall behind because of rows that it does not need.
const MAX_CURSOR_LAG: u64 = 10_000;
