//! A mesh under test, and what stands between two of them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mesh::{Config, DeviceKey, DownReason, Event, Handle, device_key, start};
use tokio::{net::UdpSocket, sync::mpsc, time::timeout};

/// Far above what anything here takes; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Mesh {
    pub(crate) handle: Handle,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) key: DeviceKey,
    pub(crate) addr: SocketAddr,
}

/// A link as its `Up` described it.
#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) link: u64,
    pub(crate) device: DeviceKey,
    pub(crate) initiator: bool,
    pub(crate) remote: SocketAddr,
    pub(crate) frames: mpsc::Sender<Vec<u8>>,
}

/// Short timeouts, one listener on loopback, no mDNS.
pub(crate) fn config(seed: u8) -> Config {
    let mut config = Config::new([seed; 32]);
    config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    config.mdns = false;
    config.idle_timeout = Duration::from_millis(1500);
    config.keep_alive = Duration::from_millis(400);
    config.handshake_timeout = Duration::from_secs(1);
    config.stream_timeout = Duration::from_millis(700);
    config
}

impl Mesh {
    pub(crate) async fn start(seed: u8) -> Self {
        Self::with(config(seed)).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let key = device_key(&config.seed);
        let (handle, mut events) = start(config).unwrap();
        let addr = match timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
            Event::Listening { addr } => addr,
            other => panic!("{other:?}"),
        };
        Self { handle, events, key, addr }
    }

    pub(crate) async fn event(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.expect("no event in time").expect("the mesh stopped")
    }

    /// The next event that isn't `Drained`.
    pub(crate) async fn news(&mut self) -> Event {
        loop {
            match self.event().await {
                Event::Drained { .. } => {}
                event => return event,
            }
        }
    }

    pub(crate) async fn up(&mut self) -> Up {
        match self.news().await {
            Event::Up { link, device, initiator, remote, frames } => Up { link, device, initiator, remote, frames },
            other => panic!("expected Up, got {other:?}"),
        }
    }

    pub(crate) async fn frame(&mut self) -> (u64, Vec<u8>) {
        match self.news().await {
            Event::Frame { link, bytes } => (link, bytes),
            other => panic!("expected Frame, got {other:?}"),
        }
    }

    pub(crate) async fn down(&mut self) -> (u64, DownReason) {
        match self.news().await {
            Event::Down { link, reason } => (link, reason),
            other => panic!("expected Down, got {other:?}"),
        }
    }

    pub(crate) async fn dial_failed(&mut self) -> (SocketAddr, Option<DeviceKey>, String) {
        match self.news().await {
            Event::DialFailed { addr, device, reason } => (addr, device, reason),
            other => panic!("expected DialFailed, got {other:?}"),
        }
    }
}

/// Links `near` to `far` by a dial of `near`.
pub(crate) async fn link(near: &mut Mesh, far: &mut Mesh) -> (Up, Up) {
    near.handle.dial(far.addr, Some(far.key)).unwrap();
    (near.up().await, far.up().await)
}

/// A cable between one dialler and one listener that can be cut: afterwards packets just vanish, as on a radio.
pub(crate) struct Cable {
    pub(crate) addr: SocketAddr,
    cut: Arc<AtomicBool>,
}

impl Cable {
    pub(crate) async fn to(far: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let cut = Arc::new(AtomicBool::new(false));
        tokio::spawn(relay(socket, far, cut.clone()));
        Self { addr, cut }
    }

    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }
}

async fn relay(socket: UdpSocket, far: SocketAddr, cut: Arc<AtomicBool>) {
    let mut near = None;
    let mut packet = vec![0; 65_536];
    loop {
        let (size, from) = socket.recv_from(&mut packet).await.unwrap();
        let to = if from == far {
            near
        } else {
            near = Some(from);
            Some(far)
        };
        if let Some(to) = to
            && !cut.load(Ordering::SeqCst)
        {
            let _ = socket.send_to(&packet[..size], to).await;
        }
    }
}
