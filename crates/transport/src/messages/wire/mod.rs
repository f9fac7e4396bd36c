pub(crate) mod assembly;
pub(crate) mod frames;
