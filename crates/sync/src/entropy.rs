/// Eight random bytes of the operating system.
pub(crate) fn random() -> u64 {
    // Without entropy no key could have been made either: the process would not have come this far.
    getrandom::u64().expect("the operating system gives entropy")
}
