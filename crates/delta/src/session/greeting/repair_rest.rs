/// What a session leaves out of its Hello, because repairs with the same peer were in vain lately: each of them reads all
/// rows of both shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepairRest {
    /// Nothing.
    #[default]
    Nothing,
    /// That rows are damaged: the peer has no sound version of them either. If rows were altered since, it is told all the
    /// same.
    Damage {
        /// [`SessionReport::alterations`](crate::SessionReport::alterations) of the repair that was in vain.
        alterations: u64,
        /// How many rows were damaged.
        damaged: u64,
    },
    /// That this node takes part in repairs.
    Repairs,
}
