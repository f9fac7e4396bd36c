#![allow(unreachable_pub, reason = "napi exports public functions")]
#![cfg_attr(test, allow(dead_code, reason = "napi exports nothing to tests"))]

use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;

use crate::cancellation::NativeCancellation;

/// Runs the command `vectr` with these arguments, on this process's standard output; resolves to its exit code.
#[napi]
pub fn run_command<'env>(
    env: &'env Env,
    arguments: Vec<String>,
    stop: &NativeCancellation,
) -> napi::Result<PromiseRaw<'env, u32>> {
    let stop = stop.token();
    env.spawn_future(async move { Ok(vectr_cli::run(arguments, stop).await.into()) })
}
