//! Runs libp2p's own tasks, and notices when one panics: the swarm would never hear of it and count the connection for ever.

use std::{any::Any, panic::AssertUnwindSafe, pin::Pin};

use futures::FutureExt;
use libp2p::swarm::Executor;
use tokio::sync::mpsc;

/// Spawns on the current tokio runtime and reports panics.
pub(crate) struct Watched {
    panics: mpsc::Sender<String>,
}

impl Watched {
    /// The first panic is enough to start anew, so one place is enough.
    pub(crate) fn new() -> (Self, mpsc::Receiver<String>) {
        let (panics, received) = mpsc::channel(1);
        (Self { panics }, received)
    }
}

impl Executor for Watched {
    fn exec(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let panics = self.panics.clone();
        tokio::spawn(async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                let _ = panics.try_send(panic_text(&*panic));
            }
        });
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
        .to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_task_is_reported_with_its_text() {
        let (watched, mut panics) = Watched::new();
        watched.exec(Box::pin(async {}));
        watched.exec(Box::pin(async { panic!("number {}", 7) }));
        assert_eq!(panics.recv().await.unwrap(), "number 7");
    }
}
