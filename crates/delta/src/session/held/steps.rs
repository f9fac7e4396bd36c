//! What a session does about rows that hold back themselves alone.

use crate::session::barrier::AfterDurable;
use crate::session::{Session, StoreRequest, Warning};
use crate::{Applied, Batch, FoundRows, HeldAnswer, HeldMessage, Message, RemoteApply};

impl Session {
    pub(in crate::session) fn receive_held_rows(&mut self, message: HeldMessage) -> Result<(), &'static str> {
        let questions = self.questions.as_mut().ok_or(NOT_YET)?;
        questions.check_able()?;
        match message {
            HeldMessage::Ask(ids) => {
                self.outgoing.as_ref().ok_or(NOT_YET)?;
                questions.receive_question(ids)
            }
            HeldMessage::Answer(answer) => {
                let asked = questions.take_answer(&answer)?;
                self.with_incoming(|incoming| {
                    incoming.join_answer(asked, answer);
                    Ok(())
                })
            }
            HeldMessage::Unsent(rows) => self.with_incoming(|incoming| incoming.receive_unsent(rows)),
        }
    }

    /// Asks for the rows on the list, once rows may flow.
    pub(in crate::session) fn begin_questions(&mut self) {
        let message = self.questions.as_mut().and_then(super::Questions::begin);
        self.send_about_held_rows(message);
    }

    pub(in crate::session) fn take_answered(&mut self, remote: RemoteApply, applied: Applied) {
        if let Some(incoming) = &mut self.incoming {
            self.transmit.extend(incoming.take_applied(remote, applied, &mut self.report));
        }
        let message = self.questions.as_mut().and_then(super::Questions::take_joined);
        self.send_about_held_rows(message);
    }

    /// What the peer has asked for was looked up.
    pub(in crate::session) fn take_found(&mut self, found: FoundRows) {
        if self.local.as_ref().is_some_and(|local| local.site != found.site) {
            return self.reject_new_life();
        }
        let (Some(questions), Some(peer)) = (&mut self.questions, &self.peer) else { return };
        questions.note_found(found.answered);
        self.report.rows_sent += found.rows.len() as u64;
        for row in found.withheld {
            self.report.warn(Warning::Withheld { id: row.id, code: row.code });
        }
        let FoundRows { answered, rows, absent, names, frontier, commit_no, .. } = found;
        let rows = Batch { nonce: peer.nonce, frontier, names, rows, ..Batch::default() };
        let answer = HeldAnswer { answered: answered as u64, absent, rows };
        self.barrier.after(commit_no, AfterDurable::Answer(Box::new(answer)));
    }

    /// Looks for what the peer asks for, and lets Ends go where too much waits behind them.
    pub(in crate::session) fn run_questions(&mut self) {
        if !self.established {
            return;
        }
        let (Some(incoming), Some(questions)) = (&mut self.incoming, &mut self.questions) else {
            return self.run_search();
        };
        if incoming.is_saturated() {
            questions.let_ends_pass();
        }
        incoming.let_ends_wait(questions.do_ends_wait());
        self.run_search();
    }

    fn run_search(&mut self) {
        let ids = self.questions.as_mut().and_then(super::Questions::next_search);
        let size = self.config.page;
        self.store.extend(ids.map(|ids| StoreRequest::FindRows { ids, size }));
    }

    fn send_about_held_rows(&mut self, message: Option<HeldMessage>) {
        self.transmit.extend(message.map(|message| Message::HeldRows(Box::new(message))));
    }
}

const NOT_YET: &str = "a message before the handshake was complete";
