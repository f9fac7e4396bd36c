//! The browser module: converts, delegates, converts back. `bindings/js/src/delta` checks every argument before it
//! comes here.
//!
//! A failure reaches JavaScript as an error whose message is the stable code, a colon, a space and the text.

mod arrays;
mod backend;
mod failure;
