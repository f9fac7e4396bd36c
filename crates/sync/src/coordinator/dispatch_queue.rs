use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Tasks on their way from a connection to a session. They are numbered by urgency: the smaller number goes first. All
/// tasks of an address share one connection attempt and its failure.
///
/// `P` is a permit to dial. An address keeps it until none of its tasks waits for a session: until then the connection
/// is idle, and the pool could close it to make room for others.
#[derive(Debug)]
pub(super) struct DispatchQueue<P> {
    addresses: HashMap<Arc<str>, AddressQueue<P>>,
    unconnected: BTreeSet<usize>,
    ready: BTreeSet<usize>,
}

#[derive(Debug)]
struct AddressQueue<P> {
    stage: Stage,
    tasks: BTreeSet<usize>,
    permit: Option<P>,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Unconnected,
    Connecting,
    Connected,
}

impl<P> DispatchQueue<P> {
    pub(super) fn new() -> Self {
        Self { addresses: HashMap::new(), unconnected: BTreeSet::new(), ready: BTreeSet::new() }
    }

    /// Adds a task. Calls `is_connected` only if no other task waits for the address.
    pub(super) fn push(&mut self, task: usize, address: &Arc<str>, is_connected: impl FnOnce() -> bool) {
        let queue = match self.addresses.entry(Arc::clone(address)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let stage = if is_connected() { Stage::Connected } else { Stage::Unconnected };
                entry.insert(AddressQueue { stage, tasks: BTreeSet::new(), permit: None })
            }
        };
        queue.tasks.insert(task);
        match queue.stage {
            Stage::Unconnected => drop(self.unconnected.insert(task)),
            Stage::Connecting => {}
            Stage::Connected => drop(self.ready.insert(task)),
        }
    }

    /// The most urgent task whose address needs a connection.
    pub(super) fn next_unconnected(&self) -> Option<usize> {
        self.unconnected.first().copied()
    }

    /// The most urgent task that is ready for its session.
    pub(super) fn next_ready(&self) -> Option<usize> {
        self.ready.first().copied()
    }

    /// Marks the address as connecting, for all tasks that wait for it.
    pub(super) fn begin_connecting(&mut self, address: &str, permit: P) {
        let Some(queue) = self.addresses.get_mut(address) else { return };
        queue.stage = Stage::Connecting;
        queue.permit = Some(permit);
        for task in &queue.tasks {
            self.unconnected.remove(task);
        }
    }

    /// Marks the address as connected: all its tasks become ready at once, so that only urgency decides.
    pub(super) fn connected(&mut self, address: &str) {
        let Some(queue) = self.addresses.get_mut(address) else { return };
        queue.stage = Stage::Connected;
        self.ready.extend(&queue.tasks);
    }

    /// Removes and returns all tasks of an address whose connection failed.
    pub(super) fn fail_address(&mut self, address: &str) -> BTreeSet<usize> {
        self.addresses.remove(address).map(|queue| queue.tasks).unwrap_or_default()
    }

    /// Removes a task whose session starts.
    pub(super) fn start(&mut self, task: usize, address: &str) {
        self.ready.remove(&task);
        let Some(queue) = self.addresses.get_mut(address) else { return };
        queue.tasks.remove(&task);
        if queue.tasks.is_empty() {
            self.addresses.remove(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Arc<str> {
        text.into()
    }

    #[test]
    fn all_tasks_of_an_address_wait_for_one_attempt_and_are_ready_together() {
        let (mut queue, a) = (DispatchQueue::new(), address("a"));
        for task in [4, 2, 7] {
            queue.push(task, &a, || false);
        }
        assert_eq!((queue.next_unconnected(), queue.next_ready()), (Some(2), None));
        queue.begin_connecting(&a, ());
        queue.push(1, &a, || unreachable!());
        assert_eq!((queue.next_unconnected(), queue.next_ready()), (None, None));
        queue.connected(&a);
        for task in [1, 2, 4, 7] {
            assert_eq!(queue.next_ready(), Some(task));
            queue.start(task, &a);
        }
        assert_eq!((queue.next_ready(), queue.addresses.len()), (None, 0));
    }

    #[test]
    fn a_dead_address_takes_its_tasks_out_and_holds_up_nobody() {
        let (mut queue, dead, live) = (DispatchQueue::new(), address("dead"), address("live"));
        queue.push(0, &dead, || false);
        queue.push(1, &dead, || false);
        queue.push(2, &live, || false);
        queue.begin_connecting(&dead, ());
        assert_eq!(queue.next_unconnected(), Some(2));
        queue.begin_connecting(&live, ());
        queue.connected(&live);
        assert_eq!(queue.next_ready(), Some(2));
        assert_eq!(queue.fail_address(&dead), BTreeSet::from([0, 1]));
        queue.push(0, &dead, || false);
        assert_eq!(queue.next_unconnected(), Some(0));
    }

    #[test]
    fn a_dial_permit_is_kept_until_no_task_of_its_address_waits() {
        let (mut queue, a, permit) = (DispatchQueue::new(), address("a"), Arc::new(()));
        queue.push(0, &a, || false);
        queue.push(1, &a, || false);
        queue.begin_connecting(&a, Arc::clone(&permit));
        queue.connected(&a);
        queue.start(0, &a);
        assert_eq!(Arc::strong_count(&permit), 2);
        queue.start(1, &a);
        assert_eq!(Arc::strong_count(&permit), 1);
    }

    #[test]
    fn a_live_connection_needs_no_attempt() {
        let (mut queue, a) = (DispatchQueue::<()>::new(), address("a"));
        queue.push(3, &a, || true);
        assert_eq!((queue.next_unconnected(), queue.next_ready()), (None, Some(3)));
    }
}
