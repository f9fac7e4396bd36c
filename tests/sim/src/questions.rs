use vectr_delta::{HeldAnswer, HeldRow, RemoteApply, StoreReply, StoreRequest, find_rows};

use crate::node::Place;
use crate::strike::Strike;
use crate::transaction::Transaction;
use crate::world::World;

impl World {
    /// What a session asks of the storage about rows that are held back.
    pub(crate) fn carry_question(&mut self, from: Place, request: StoreRequest) -> StoreReply {
        let link = &self.links[from.link];
        let (node, shard) = (link.ends[from.side].node, link.shard);
        let commit_no = self.leaving_commit(node);
        let snapshot = self.nodes[node].store.current().read(shard);
        match request {
            StoreRequest::FindRows { ids, size } => {
                let mut found = find_rows(&snapshot, &ids, size).expect("a snapshot reads without errors");
                found.commit_no = commit_no;
                StoreReply::Found(Box::new(found))
            }
            StoreRequest::JoinAnswer { remote, asked, answer } => {
                self.join_answer(node, shard, *remote, &asked, &answer)
            }
            _ => unreachable!("it is not about held rows"),
        }
    }

    fn join_answer(
        &mut self,
        node: usize,
        shard: usize,
        mut remote: RemoteApply,
        asked: &[HeldRow],
        answer: &HeldAnswer,
    ) -> StoreReply {
        let (fuse, wall) = (self.new_fuse(), self.nodes[node].wall(self.now));
        let join = |shard: &mut Transaction| remote.join_answer(shard, asked, answer, wall);
        match self.nodes[node].store.transact(shard, fuse, join) {
            Ok(committed) => {
                self.after_commit(node, false, &committed);
                self.struck.add(Strike::ArrivedAfterAll, committed.value.changed);
                let applied = committed.value;
                StoreReply::AnswerJoined { remote: Box::new(remote), applied, changes: None }
            }
            Err(refusal) => self.refused(node, Strike::ApplyRolledBack, refusal),
        }
    }

    /// [`Fault::HeldRowsLeaveEarly`](crate::Fault::HeldRowsLeaveEarly).
    pub(crate) fn empty_lists(&mut self, node: usize, shard: usize) {
        let empty = |shard: &mut Transaction| {
            shard.forget_lists();
            Ok::<(), crate::database::StoreError>(())
        };
        let emptied = self.nodes[node].store.transact(shard, None, empty);
        let emptied = emptied.expect("a disk without a fuse does not fail");
        self.after_commit(node, false, &emptied);
    }
}
