//! One hop on loopback: how long a small frame and its answer take, and how fast bulk goes.
//!
//! `cargo bench -p mesh`

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use mesh::{Config, Event, Handle, device_key, start};
use tokio::sync::mpsc;

const ROUNDS: usize = 5_000;
const SMALL_FRAME_BYTES: usize = 700;
const BULK_FRAME_BYTES: usize = 64 * 1024;
const BULK_FRAMES: usize = 4_096;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut near = End::start(1)?;
    let mut far = End::start(2)?;
    let addr = far.listening().await?;
    near.handle.dial(addr, Some(device_key(&[2; 32])))?;
    let (_, near_frames) = near.up().await?;
    let (_, far_frames) = far.up().await?;

    tokio::spawn(async move {
        while let Ok(bytes) = far.frame().await {
            // Bulk is only acknowledged, by its first byte.
            let answer = if bytes.len() > SMALL_FRAME_BYTES { bytes[..1].to_vec() } else { bytes };
            if far_frames.send(answer).await.is_err() {
                return;
            }
        }
    });
    round_trips(&mut near, &near_frames).await?;
    bulk(&mut near, near_frames).await
}

async fn round_trips(near: &mut End, frames: &mpsc::Sender<Vec<u8>>) -> Result<(), Failure> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        frames.send(vec![7; SMALL_FRAME_BYTES]).await?;
        near.frame().await?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let at = |percent: usize| times[ROUNDS * percent / 100];
    println!("round trip of {SMALL_FRAME_BYTES} bytes: p50 {:?}, p99 {:?}", at(50), at(99));
    Ok(())
}

async fn bulk(near: &mut End, frames: mpsc::Sender<Vec<u8>>) -> Result<(), Failure> {
    let started = Instant::now();
    let sender = tokio::spawn(async move {
        for _ in 0..BULK_FRAMES {
            frames.send(vec![7; BULK_FRAME_BYTES]).await?;
        }
        // Kept until all is answered: dropping it closes the link.
        Ok::<_, mpsc::error::SendError<Vec<u8>>>(frames)
    });
    for _ in 0..BULK_FRAMES {
        near.frame().await?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let _frames = sender.await??;
    let megabytes = (BULK_FRAMES * BULK_FRAME_BYTES) as f64 / 1e6;
    println!("bulk in frames of {BULK_FRAME_BYTES} bytes: {:.0} MB/s", megabytes / seconds);
    Ok(())
}

struct End {
    handle: Handle,
    events: mpsc::Receiver<Event>,
}

impl End {
    fn start(seed: u8) -> Result<Self, Failure> {
        let mut config = Config::new([seed; 32]);
        config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        config.mdns = false;
        let (handle, events) = start(config)?;
        Ok(Self { handle, events })
    }

    async fn next<T>(&mut self, wanted: impl Fn(Event) -> Option<T>) -> Result<T, Failure> {
        loop {
            let event = tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await?;
            if let Some(found) = wanted(event.ok_or("the mesh stopped")?) {
                return Ok(found);
            }
        }
    }

    async fn listening(&mut self) -> Result<SocketAddr, Failure> {
        self.next(|event| match event {
            Event::Listening { addr } => Some(addr),
            _ => None,
        })
        .await
    }

    async fn up(&mut self) -> Result<(u64, mpsc::Sender<Vec<u8>>), Failure> {
        self.next(|event| match event {
            Event::Up { link, frames, .. } => Some((link, frames)),
            _ => None,
        })
        .await
    }

    async fn frame(&mut self) -> Result<Vec<u8>, Failure> {
        self.next(|event| match event {
            Event::Frame { bytes, .. } => Some(bytes),
            _ => None,
        })
        .await
    }
}
