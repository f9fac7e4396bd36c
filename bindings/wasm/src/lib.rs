//! The browser module: converts, delegates, converts back. `bindings/js/src/delta` checks every argument before it
//! comes here.
//!
//! A failure reaches JavaScript as an `Error` with the stable code as its property `code`.

mod arrays;
mod backend;
mod failure;
