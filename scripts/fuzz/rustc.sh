#!/bin/sh
# The compiler of the fuzz targets: Cargo calls it for the crates of the workspace alone (RUSTC_WORKSPACE_WRAPPER), so that
# SQLite, quinn and all other dependencies are those that the tests have built. The flags are those of libFuzzer's
# instrumentation, which stable Rust takes; the targets themselves are left out of the count.
case " $* " in
  *" --crate-name vectr_fuzz "* | *" --crate-name fuzz_"*) exec "$@" --cfg fuzzing -Cdebug-assertions=on ;;
esac
exec "$@" --cfg fuzzing -Cdebug-assertions=on \
  -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares
