//! Keeps a network task running: when a dependency panics in it, a new one takes its place.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Mutex, mpsc};

use crate::{
    event::Event,
    executor::panic_text,
    network::{Dial, Exit, Network, Outside},
};

/// Pause before a new network task: a panic that comes back at once mustn't keep a core busy, and the old task's sockets need
/// a moment to close.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs `first`, and whatever must follow it, until stopped.
pub(crate) async fn run(first: Network, outside: Outside, dials: mpsc::Receiver<Dial>) {
    // Shared, because a task that panics can't give back what it was given.
    let dials = Arc::new(Mutex::new(dials));
    let mut next = Some(first);
    loop {
        let network = match next.take() {
            Some(network) => network,
            None => match Network::new(outside.clone()) {
                Ok(network) => network,
                Err(error) => {
                    tracing::warn!(%error, "the network can't be built, trying again");
                    if pause(&outside).await {
                        return;
                    }
                    continue;
                }
            },
        };
        let dials = dials.clone();
        // On the heap: its state is large, and lives as long as the device.
        let run = Box::pin(async move { network.run(&mut *dials.lock().await).await });
        let Some(reason) = watch(run).await else { return };
        tracing::error!(%reason, "the network task panicked and starts anew");
        let told = outside.events.send(Event::Restarted { reason }).await;
        if told.is_err() || pause(&outside).await {
            return;
        }
    }
}

/// Runs a network task of its own; the text of the panic that ended it, if one did.
async fn watch(run: impl Future<Output = Exit> + Send + 'static) -> Option<String> {
    match tokio::spawn(run).await {
        Ok(Exit::Stopped) => None,
        Ok(Exit::TaskPanicked(reason)) => Some(reason),
        Err(error) => Some(panic_text(&*error.try_into_panic().ok()?)),
    }
}

/// Waits before a restart. True if the mesh is to stop.
async fn pause(outside: &Outside) -> bool {
    let mut stop = outside.stop.clone();
    tokio::time::timeout(RESTART_PAUSE, stop.wait_for(|stop| *stop)).await.is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::sync::watch;

    use super::*;
    use crate::{Config, DownReason, device_key, registry::Registry, start};

    fn config(seed: u8) -> Config {
        let mut config = Config::new([seed; 32]);
        config.listen = vec!["127.0.0.1:0".parse().unwrap()];
        config.mdns = false;
        config
    }

    async fn until<T>(events: &mut mpsc::Receiver<Event>, wanted: impl Fn(Event) -> Option<T>) -> T {
        let find = async {
            loop {
                if let Some(found) = wanted(events.recv().await.unwrap()) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), find).await.unwrap()
    }

    #[tokio::test]
    async fn after_a_panic_links_are_down_on_both_sides_and_the_mesh_works_again() {
        let (events, mut near) = mpsc::channel(16);
        let (_stop, stop) = watch::channel(false);
        let config_near = Arc::new(config(1));
        let outside = Outside { config: config_near, events, registry: Arc::new(Registry::default()), stop };
        let (panic, panics) = mpsc::channel(1);
        let (_dials, queued) = mpsc::channel(1);
        let first = Network::new(outside.clone()).unwrap().with_panics(panics);
        tokio::spawn(run(first, outside, queued));

        let (handle, mut far) = start(config(2)).unwrap();
        for round in 0..2 {
            let addr = until(&mut near, |event| match event {
                Event::Listening { addr } => Some(addr),
                _ => None,
            })
            .await;
            handle.dial(addr, Some(device_key(&[1; 32]))).unwrap();
            let up = |event| matches!(event, Event::Up { .. }).then_some(event);
            // Held, because dropping the sender in it would close the link.
            let _ups = (until(&mut near, up).await, until(&mut far, up).await);
            if round == 1 {
                return;
            }
            panic.try_send("a dependency's fault".into()).unwrap();
            let reason = until(&mut near, |event| match event {
                Event::Down { reason, .. } => Some(reason),
                _ => None,
            })
            .await;
            assert_eq!(reason, DownReason::NetworkStopped);
            until(&mut far, |event| matches!(event, Event::Down { .. }).then_some(())).await;
            until(&mut near, |event| matches!(event, Event::Restarted { .. }).then_some(())).await;
        }
    }

    #[tokio::test]
    async fn a_panic_is_told_apart_from_an_ordinary_end() {
        assert_eq!(watch(async { Exit::Stopped }).await, None);
        assert_eq!(watch(async { panic!("boom") }).await.as_deref(), Some("boom"));
        let task = Exit::TaskPanicked("deep".into());
        assert_eq!(watch(async { task }).await.as_deref(), Some("deep"));
    }
}
