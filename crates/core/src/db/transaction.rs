//! Transactions of several calls.

use crate::writer::Writer;
use crate::writer::queue::JobKind;
use crate::{CoreError, TransactionId, VectrDB};

impl VectrDB {
    /// Opens a transaction. What is not part of it waits for its end, for the configured time, and then fails with
    /// `ERR_BUSY`; reads of a file see the last commit meanwhile. Its owner must end it.
    ///
    /// # Errors
    /// `ERR_TRANSACTION` where one is open; `ERR_STORAGE`, `ERR_CLOSED`.
    pub fn begin(&self) -> Result<TransactionId, CoreError> {
        self.call(JobKind::Begin, Writer::begin)
    }

    /// Makes all of the transaction's writes visible at once.
    ///
    /// # Errors
    /// `ERR_TRANSACTION` where it is not open. After `ERR_STORAGE` it has been rolled back.
    pub fn commit(&self, transaction: TransactionId) -> Result<(), CoreError> {
        self.call(JobKind::InTransaction(transaction), |writer| writer.end(true))
    }

    /// Takes all of the transaction's writes back, with their change ids and stamps.
    ///
    /// # Errors
    /// `ERR_TRANSACTION` where it is not open.
    pub fn rollback(&self, transaction: TransactionId) -> Result<(), CoreError> {
        self.call(JobKind::InTransaction(transaction), |writer| writer.end(false))
    }
}
