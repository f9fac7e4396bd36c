//! The program `vectr`; see the library.

use std::process::exit;

use vectr_sync::CancellationSource;

fn main() {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("vectr: cannot start the runtime: {error}");
            exit(1);
        }
    };
    let code = runtime.block_on(async {
        let stop = CancellationSource::new();
        let token = stop.token();
        // Without signals the system ends the process.
        if let Ok(signals) = Signals::new() {
            tokio::spawn(watch(signals, stop));
        }
        vectr_cli::run(std::env::args_os().skip(1), token).await
    });
    // Do not wait for an interrupted check that may still be reading.
    exit(code.into());
}

/// The first signal cancels the command, the second one exits at once.
async fn watch(mut signals: Signals, stop: CancellationSource) {
    signals.next().await;
    stop.cancel();
    signals.next().await;
    exit(vectr_cli::INTERRUPTED.into());
}

/// Catches SIGINT and SIGTERM from the moment it is created.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Catches Ctrl-C from the moment it is created.
#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
