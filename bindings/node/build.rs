//! Links against the symbols that Node provides at run time.

fn main() {
    napi_build::setup();
}
