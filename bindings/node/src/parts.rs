use std::sync::{Mutex, PoisonError};
use std::thread;

/// A result that JavaScript takes in parts: all at once would hold up its event loop.
pub(crate) struct Parts<T: Send + 'static>(Mutex<std::vec::IntoIter<T>>);

impl<T: Send + 'static> Parts<T> {
    pub(crate) fn new(all: Vec<T>) -> Self {
        Self(Mutex::new(all.into_iter()))
    }

    /// The next ones, which together weigh `most`, or a little more.
    pub(crate) fn take(&self, most: usize, weight: impl Fn(&T) -> usize) -> Vec<T> {
        let mut rest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut part, mut taken) = (Vec::new(), 0);
        while taken < most
            && let Some(next) = rest.next()
        {
            taken += weight(&next);
            part.push(next);
        }
        if rest.len() == 0 {
            *rest = Vec::new().into_iter();
        }
        part
    }

    /// Drops what has not been taken. Otherwise JavaScript's garbage collector does, which does not know how much it is.
    pub(crate) fn free(&self) {
        let mut rest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop_elsewhere(std::mem::take(&mut *rest));
    }

    /// How many have not been taken.
    pub(crate) fn left(&self) -> u32 {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        left.try_into().unwrap_or(u32::MAX)
    }
}

impl<T: Send + 'static> Drop for Parts<T> {
    // JavaScript's garbage collector runs this on the event loop.
    fn drop(&mut self) {
        self.free();
    }
}

fn drop_elsewhere<T: Send + 'static>(rest: std::vec::IntoIter<T>) {
    if rest.len() > FEW {
        // Where no thread can be had, the closure is dropped here.
        let _ = thread::Builder::new().spawn(move || drop(rest));
    }
}

const FEW: usize = 1_000;
