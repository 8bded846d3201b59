//! Carries out what the [`Lock`] decides: the key that opens what is sealed to this device is forgotten, and given back to
//! whoever shows what opens the keystore.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crdt::audit::{Act, Record};
use crdt::seal::SealingSecret;
use gateway::driver::{Driver, now_ms};
use gateway::trail::Trail;
use serde::Serialize;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::home::{Home, HomeError};
use crate::keystore::{KeystoreError, Opener};
use crate::lock::{Lock, NotNow};

/// Where the keys of a device are, and when it locks.
#[derive(Clone, Debug)]
pub struct Locking {
    /// The device's folder.
    pub home: PathBuf,
    /// Idle time after which it locks; never by itself, if there is none.
    pub after: Option<Duration>,
}

/// Why a device isn't locked or unlocked.
#[derive(Debug, Error)]
pub(crate) enum LockError {
    /// Nothing could unlock it again.
    #[error("nothing protects this device's keys, so that anybody could unlock it again")]
    Unprotected,
    /// It is open.
    #[error("the device isn't locked")]
    Open,
    /// Wrong tries are slowed.
    #[error("{0}")]
    Wait(String),
    /// That doesn't open the keys.
    #[error(transparent)]
    Wrong(KeystoreError),
    /// The keys can't be read.
    #[error(transparent)]
    Home(HomeError),
    /// The engine has stopped.
    #[error("the device is stopping")]
    Stopped,
}

/// What is told of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Told {
    /// Whether it is locked.
    pub(crate) locked: bool,
    /// Wrong tries since the start.
    pub(crate) wrong_tries: u64,
    /// Seconds of idle time after which it locks; `null` if it never does by itself.
    pub(crate) lock_after_s: Option<u64>,
}

/// See the module.
pub(crate) struct Locker {
    driver: Driver,
    trail: Trail,
    home: Option<PathBuf>,
    after: Option<Duration>,
    started: Instant,
    lock: Mutex<Lock>,
    locked: watch::Sender<bool>,
}

impl Locker {
    /// Of a device whose keys are protected, or of one that never locks.
    pub(crate) fn new(driver: Driver, trail: Trail, locking: Option<Locking>) -> Arc<Self> {
        let (home, after) = locking.map_or((None, None), |locking| (Some(locking.home), locking.after));
        let after_ms = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        let lock = Mutex::new(Lock::new(0, after_ms));
        Arc::new(Self { driver, trail, home, after, started: Instant::now(), lock, locked: watch::channel(false).0 })
    }

    /// An officer asks for something. Says whether it may be answered.
    pub(crate) fn ask(&self) -> bool {
        let now_ms = self.now_ms();
        self.lock_state().ask(now_ms)
    }

    /// How it is.
    pub(crate) fn told(&self) -> Told {
        let now_ms = self.now_ms();
        let mut lock = self.lock_state();
        let lock_after_s = self.after.map(|after| after.as_secs());
        Told { locked: lock.is_locked(now_ms), wrong_tries: lock.wrong(), lock_after_s }
    }

    /// Completes when it is locked.
    pub(crate) async fn until_locked(&self) {
        // Its sender is this value.
        let _ = self.locked.subscribe().wait_for(|locked| *locked).await;
    }

    /// Locks the device now.
    pub(crate) async fn lock_now(&self) -> Result<(), LockError> {
        if self.home.is_none() {
            return Err(LockError::Unprotected);
        }
        self.lock_state().lock();
        self.forget().await
    }

    /// Unlocks the device, if `opener` opens its keys.
    pub(crate) async fn unlock(&self, opener: Opener) -> Result<(), LockError> {
        let home = self.home.clone().ok_or(LockError::Open)?;
        let now_ms = self.now_ms();
        self.lock_state().begin_try(now_ms).map_err(not_now)?;
        // A passphrase costs a good part of a second of a processor.
        let opened = tokio::task::spawn_blocking(move || Home::unlock(&home, &opener)?.sealing()).await;
        let opened =
            opened.unwrap_or_else(|error| Err(HomeError::Keystore { path: PathBuf::new(), error: died(&error) }));
        let sealing = match opened {
            Ok(sealing) => sealing,
            Err(error) => {
                let now_ms = self.now_ms();
                self.lock_state().was_wrong(now_ms);
                return Err(match error {
                    HomeError::Keystore { error, .. } => LockError::Wrong(error),
                    other => LockError::Home(other),
                });
            }
        };
        let given_back = self.give_back(sealing).await;
        let now_ms = self.now_ms();
        match given_back {
            Ok(()) => self.lock_state().was_right(now_ms),
            Err(_) => self.lock_state().was_wrong(now_ms),
        }
        self.locked.send_replace(given_back.is_err());
        given_back
    }

    /// Locks the device whenever it is time.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let now_ms = self.now_ms();
            let (locked, due_ms) = {
                let mut lock = self.lock_state();
                (lock.is_locked(now_ms), lock.due_ms())
            };
            if locked && !*self.locked.borrow() {
                if self.forget().await.is_err() {
                    return;
                }
                self.note_locked().await;
            }
            let mut changes = self.locked.subscribe();
            match due_ms {
                Some(due_ms) => sleep_until(self.started + Duration::from_millis(due_ms)).await,
                // Until somebody unlocks it. Its sender is this value.
                None => drop(changes.changed().await),
            }
        }
    }

    /// Locked by itself: nobody asked for it.
    async fn note_locked(&self) {
        let (operator, captures, why) = (String::new(), Vec::new(), "idle".to_owned());
        let record = Record { at_ms: now_ms(), operator, act: Act::Locked, captures, why, times: 1 };
        if let Err(error) = self.trail.note(vec![record]).await {
            tracing::error!(%error, "not noted in the audit trail");
        }
    }

    async fn forget(&self) -> Result<(), LockError> {
        let forgotten = self.driver.call(|engine, _| engine.forget_sealing()).await;
        forgotten.map_err(|_| LockError::Stopped)?;
        self.locked.send_replace(true);
        tracing::info!("locked");
        Ok(())
    }

    async fn give_back(&self, sealing: SealingSecret) -> Result<(), LockError> {
        let taken = self.driver.call(move |engine, _| engine.give_back_sealing(sealing)).await;
        match taken.map_err(|_| LockError::Stopped)? {
            true => {
                tracing::info!("unlocked");
                Ok(())
            }
            // The keys were replaced under the running device.
            false => Err(LockError::Wrong(KeystoreError::Damaged)),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A poisoned lock only means that somebody panicked while holding it; the value is whole at every moment.
    fn lock_state(&self) -> MutexGuard<'_, Lock> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_now(why: NotNow) -> LockError {
    match why {
        NotNow::Open => LockError::Open,
        NotNow::Busy => LockError::Wait("somebody else is unlocking the device right now".to_owned()),
        NotNow::Wait(wait_ms) => {
            LockError::Wait(format!("after a wrong try, the next one waits: {} s more", wait_ms.div_ceil(1_000)))
        }
    }
}

fn died(error: &tokio::task::JoinError) -> KeystoreError {
    tracing::error!(%error, "unlocking ended in a panic");
    KeystoreError::Damaged
}
