//! Transactions of several calls.

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
