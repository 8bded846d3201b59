//! The demo's Internet: a UDP relay in front of the hub that is closed until the satellite window opens.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest datagram.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// How often a relay that hears nothing looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(200);

/// A relay between one gateway and the hub.
pub(super) struct Relay {
    address: SocketAddr,
    open: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

impl Relay {
    /// Starts a closed relay to the hub.
    pub(super) fn start(hub: SocketAddr) -> io::Result<Self> {
        let near = Arc::new(UdpSocket::bind("127.0.0.1:0")?);
        let far = Arc::new(UdpSocket::bind("127.0.0.1:0")?);
        far.connect(hub)?;
        near.set_read_timeout(Some(LOOK))?;
        far.set_read_timeout(Some(LOOK))?;
        let address = near.local_addr()?;
        let (open, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let gateway = Arc::new(Mutex::new(None::<SocketAddr>));
        let (up_near, up_far, up_open, up_stop, up_gateway) =
            (near.clone(), far.clone(), open.clone(), stop.clone(), gateway.clone());
        std::thread::spawn(move || {
            relay(
                &up_stop,
                &up_open,
                |buffer| {
                    let (len, from) = up_near.recv_from(buffer)?;
                    *up_gateway.lock().unwrap_or_else(PoisonError::into_inner) = Some(from);
                    Ok(len)
                },
                |datagram| up_far.send(datagram).map(|_| ()),
            );
        });
        let (down_open, down_stop) = (open.clone(), stop.clone());
        std::thread::spawn(move || {
            relay(
                &down_stop,
                &down_open,
                |buffer| far.recv(buffer),
                |datagram| {
                    let to = *gateway.lock().unwrap_or_else(PoisonError::into_inner);
                    to.map_or(Ok(()), |to| near.send_to(datagram, to).map(|_| ()))
                },
            );
        });
        Ok(Self { address, open, stop })
    }

    /// Where the gateway believes the hub to be.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens the window.
    pub(super) fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Passes datagrams on while the relay is open, and drops them while it is closed, as a network with no way out does.
fn relay(
    stop: &AtomicBool,
    open: &AtomicBool,
    mut receive: impl FnMut(&mut [u8]) -> io::Result<usize>,
    mut send: impl FnMut(&[u8]) -> io::Result<()>,
) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    while !stop.load(Ordering::Relaxed) {
        // A time-out, or the other side isn't there at the moment: both are what networks do.
        let Ok(len) = receive(&mut buffer) else { continue };
        if open.load(Ordering::Relaxed) {
            let _ = send(&buffer[..len]);
        }
    }
}
