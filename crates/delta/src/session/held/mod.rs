mod steps;

use std::collections::BTreeSet;

use crate::{HeldAnswer, HeldMessage, HeldRow, Hello, VectorId};

/// The questions of a session about rows that are held back: this node's, one at a time and before the peer's End is
/// taken over, and the peer's.
#[derive(Debug)]
pub(super) struct Questions {
    able: bool,
    stage: Stage,
    /// Whether the peer's Ends wait for answers.
    ends_wait: bool,
    /// What is yet to be asked for.
    rest: Vec<HeldRow>,
    nonce: u64,
    /// What the peer asks for, and whether the storage is looking for it.
    asked: Option<Vec<VectorId>>,
    is_answering: bool,
    /// How many rows the peer was answered for.
    answered: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is to be asked.
    Idle,
    /// The session has to begin.
    Due,
    /// The peer looks for these.
    Asking(Vec<HeldRow>),
    /// The storage joins the answer.
    Joining,
}

impl Questions {
    /// `held`: the rows of the peer on this node's list.
    pub(super) fn new(local: &Hello, peer: &Hello, held: Vec<HeldRow>) -> Self {
        let able = is_able(local, peer);
        let asks = able && !held.is_empty();
        Self {
            able,
            stage: if asks { Stage::Due } else { Stage::Idle },
            ends_wait: true,
            rest: held,
            nonce: local.nonce,
            asked: None,
            is_answering: false,
            answered: 0,
        }
    }

    /// Whether both nodes list rows.
    pub(super) const fn check_able(&self) -> Result<(), &'static str> {
        if self.able { Ok(()) } else { Err("a message about held rows that was not agreed upon") }
    }

    /// Whether the peer's Ends wait.
    pub(super) const fn do_ends_wait(&self) -> bool {
        self.ends_wait && !matches!(self.stage, Stage::Idle)
    }

    /// Asks for the first rows. Returns what to send, as the other methods do.
    pub(super) fn begin(&mut self) -> Option<HeldMessage> {
        match self.stage {
            Stage::Due => self.ask_next(),
            _ => None,
        }
    }

    /// An answer was joined.
    pub(super) fn take_joined(&mut self) -> Option<HeldMessage> {
        if self.stage != Stage::Joining {
            return None;
        }
        self.ask_next()
    }

    /// Too much has piled up behind an End that waits: it is taken over without the sites of rows on the list, and what it
    /// claims of those follows once they are answered for.
    pub(super) const fn let_ends_pass(&mut self) {
        self.ends_wait = false;
    }

    /// Takes an answer of the peer. Returns the rows that it answers.
    pub(super) fn take_answer(&mut self, answer: &HeldAnswer) -> Result<Vec<HeldRow>, &'static str> {
        let Stage::Asking(mut asked) = std::mem::replace(&mut self.stage, Stage::Joining) else {
            return Err("an answer that nobody has asked for");
        };
        let answered = usize::try_from(answer.answered).unwrap_or(usize::MAX);
        if answered == 0 || answered > asked.len() {
            return Err("an answer to more rows than were asked for");
        }
        self.rest.extend(asked.split_off(answered));
        check_answer(answer, &asked, self.nonce)?;
        Ok(asked)
    }

    /// The peer asks for rows of this node.
    pub(super) fn receive_question(&mut self, ids: Vec<VectorId>) -> Result<(), &'static str> {
        if self.asked.is_some() || self.is_answering || ids.is_empty() {
            return Err("a question out of turn");
        }
        if self.answered + ids.len() > HeldRow::MAX_ROWS {
            return Err("questions about more rows than a list has");
        }
        self.asked = Some(ids);
        Ok(())
    }

    /// What the storage is to look for.
    pub(super) fn next_search(&mut self) -> Option<Vec<VectorId>> {
        let ids = self.asked.take()?;
        self.is_answering = true;
        Some(ids)
    }

    /// The storage has looked for the first `answered` ids.
    pub(super) const fn note_found(&mut self, answered: usize) {
        self.is_answering = false;
        self.answered += answered;
    }

    fn ask_next(&mut self) -> Option<HeldMessage> {
        let asked = self.rest.split_off(self.rest.len().saturating_sub(HeldMessage::MAX_IDS));
        if asked.is_empty() {
            self.stage = Stage::Idle;
            return None;
        }
        let ids = asked.iter().map(|row| row.id.clone()).collect();
        self.stage = Stage::Asking(asked);
        Some(HeldMessage::Ask(ids))
    }
}

/// Whether both nodes list the rows that they hold back.
pub(super) fn is_able(local: &Hello, peer: &Hello) -> bool {
    local.can_list() && peer.can_list()
}

/// Whether the list that was read with this node's Hello is that of the peer's changelog.
pub(super) fn is_list_of(local: &Hello, peer: &Hello) -> bool {
    local.cursor.is_some_and(|cursor| cursor.changelog == peer.changelog)
}

fn check_answer(answer: &HeldAnswer, asked: &[HeldRow], nonce: u64) -> Result<(), &'static str> {
    if answer.rows.nonce != nonce {
        return Err("an answer of another session");
    }
    let mut open: BTreeSet<&VectorId> = asked.iter().map(|row| &row.id).collect();
    let mut answered = answer.rows.rows.iter().map(|entry| &entry.id).chain(&answer.absent);
    match answered.all(|id| open.remove(id)) {
        true => Ok(()),
        false => Err("an answer about rows that were not asked for"),
    }
}
