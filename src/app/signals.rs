//! The end on request: Ctrl-C and SIGTERM, heard on a thread of their own whatever the rest is busy with.

use std::sync::mpsc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Longest from the signal to the end of the process, whatever hangs. Orchestrators kill after ten seconds or more.
const END_WITHIN: Duration = Duration::from_millis(9_500);
/// Exit code of a process stopped at once by a second signal, as a shell says it of Ctrl-C.
const STOPPED_AT_ONCE: i32 = 130;

/// Resolves at the first Ctrl-C or SIGTERM; a second one ends the process at once. They are heard from this call on, whether or
/// not anybody waits yet.
pub fn signalled() -> impl Future<Output = ()> {
    let (told, signal) = oneshot::channel();
    let (hears, heard) = mpsc::sync_channel(1);
    match std::thread::Builder::new().name("signals".to_owned()).spawn(move || listen(told, &hears)) {
        // An error means that it could not be set up, and has said so.
        Ok(_) => drop(heard.recv()),
        Err(error) => deaf(&error),
    }
    async move {
        if signal.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn deaf(error: &std::io::Error) {
    tracing::error!(%error, "signals cannot be heard; SIGKILL ends the process, and costs nothing that is stored");
}

/// Says on `hears` that it listens.
fn listen(told: oneshot::Sender<()>, hears: &mpsc::SyncSender<()>) {
    let heard = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
        let _entered = runtime.enter();
        let signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok((runtime, signals))
    });
    match heard {
        Ok((runtime, (interrupt, terminate))) => {
            // Whoever started us waits for it.
            let _ = hears.send(());
            runtime.block_on(until_the_end(interrupt, terminate, told));
        }
        Err(error) => deaf(&error),
    }
}

async fn until_the_end(mut interrupt: Signal, mut terminate: Signal, told: oneshot::Sender<()>) {
    one(&mut interrupt, &mut terminate).await;
    tracing::info!("draining; once more to stop at once");
    // Nobody listens when it is ending already.
    let _ = told.send(());
    tokio::select! {
        biased;
        () = one(&mut interrupt, &mut terminate) => {
            tracing::warn!("stopped at once; what was not stored is read again at the next start");
            std::process::exit(STOPPED_AT_ONCE);
        }
        () = tokio::time::sleep(END_WITHIN) => {
            tracing::error!("something hangs: stopped without its end; what was not stored is read again at the next start");
            std::process::exit(1);
        }
    }
}

async fn one(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
