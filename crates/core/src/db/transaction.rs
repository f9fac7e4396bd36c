//! Transactions of several calls.

use std::path::Path;

use crate::writer::Writer;
use crate::writer::queue::JobKind;
use crate::{CoreError, TransactionId, VectrDB};

impl VectrDB {
    /// Opens a transaction, which its owner must end. Other writes wait for its end, for at most
    /// [`Config::busy_timeout`](crate::Config::busy_timeout), and then fail with `ERR_BUSY`; reads of a file see the
    /// last commit meanwhile.
    ///
    /// # Errors
    /// `ERR_TRANSACTION` if one is open; `ERR_STORAGE`, `ERR_CLOSED`.
    pub fn begin(&self) -> Result<TransactionId, CoreError> {
        self.call(JobKind::Begin, Writer::begin)
    }

    /// As [`VectrDB::begin`], once the open transaction and those that were asked for before have ended. Does not block:
    /// `done` is called on the writer's thread, or at once; it must be quick, must not call the database, and must not
    /// hold the last handle to it.
    ///
    /// # Errors
    /// `ERR_BUSY` if one transaction stays open for [`Config::busy_timeout`](crate::Config::busy_timeout) meanwhile;
    /// `ERR_STORAGE`; `ERR_CLOSED`, also if the database is closed meanwhile.
    pub fn begin_in_turn(&self, done: impl FnOnce(Result<TransactionId, CoreError>) + Send + 'static) {
        let path = self.path().map(Path::to_owned);
        self.submit(JobKind::BeginInTurn, Writer::begin, move |begun: Result<_, CoreError>| {
            done(begun.map_err(|error| error.with_path(path.as_deref())));
        });
    }

    /// Commits the transaction: its writes become visible all at once.
    ///
    /// # Errors
    /// `ERR_TRANSACTION` if it is not open. After `ERR_STORAGE` it has been rolled back.
    pub fn commit(&self, transaction: TransactionId) -> Result<(), CoreError> {
        self.call(JobKind::InTransaction(transaction), |writer| writer.end(true))
    }

    /// Rolls the transaction back, including the change ids and stamps that it used.
    ///
    /// # Errors
    /// `ERR_TRANSACTION` if it is not open.
    pub fn rollback(&self, transaction: TransactionId) -> Result<(), CoreError> {
        self.call(JobKind::InTransaction(transaction), |writer| writer.end(false))
    }
}
