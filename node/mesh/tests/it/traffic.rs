//! Frames on links: order, sizes, backpressure.

use std::time::Duration;

use mesh::{DownReason, EVENTS_MAX, Event, FRAME_BYTES_MAX, FRAMES_QUEUED_MAX};
use tokio::time::timeout;

use crate::kit::{Mesh, PATIENCE, link};

const FRAMES: usize = 1_000;

/// The size of a test's nth frame: mostly small, every fiftieth at a boundary.
fn size(n: usize) -> usize {
    match n % 50 {
        0 => [0, 1, 65_536, FRAME_BYTES_MAX][n / 50 % 4],
        odd => odd * odd,
    }
}

/// A frame that can only be itself.
fn frame(n: usize) -> Vec<u8> {
    (0..size(n)).map(|i| ((i * 31) ^ (n * 7)) as u8).collect()
}

async fn exchange(mut mesh: Mesh, frames: tokio::sync::mpsc::Sender<Vec<u8>>) -> (Mesh, usize) {
    let sender = tokio::spawn(async move {
        for n in 0..FRAMES {
            frames.send(frame(n)).await.unwrap();
        }
        frames
    });
    let mut received = 0;
    let mut drained = 0;
    while received < FRAMES || drained < FRAMES {
        match mesh.event().await {
            Event::Frame { bytes, .. } => {
                assert!(bytes == frame(received), "frame {received} differs");
                received += 1;
            }
            Event::Drained { .. } => drained += 1,
            other => panic!("{other:?}"),
        }
    }
    // Dropped only now, when both sides have all: it closes the link.
    drop(sender.await.unwrap());
    (mesh, received)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_frames_of_mixed_sizes_go_both_ways_in_order() {
    let mut near = Mesh::start(1).await;
    let mut far = Mesh::start(2).await;
    let (near_up, far_up) = link(&mut near, &mut far).await;
    assert_eq!((near_up.device, near_up.initiator), (far.key, true));
    assert_eq!((far_up.device, far_up.initiator), (near.key, false));
    assert_eq!((near_up.remote, far_up.remote), (far.addr, near.addr));

    let both = tokio::spawn(exchange(near, near_up.frames));
    let (_far, count) = timeout(PATIENCE, exchange(far, far_up.frames)).await.unwrap();
    let (_near, other) = both.await.unwrap();
    assert_eq!((count, other), (FRAMES, FRAMES));
}

/// What a receiver that reads nothing can make a sender hand over: the transport's window, and what waits in our own channels.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_reads_nothing_stops_its_sender() {
    const WINDOW_BYTES: usize = 1024 * 1024;
    let bound = WINDOW_BYTES / FRAME_BYTES_MAX + EVENTS_MAX + FRAMES_QUEUED_MAX + 3;

    let mut near = Mesh::start(1).await;
    let mut far = Mesh::start(2).await;
    let (near_up, far_up) = link(&mut near, &mut far).await;

    let mut sent = 0;
    let stalled = Duration::from_millis(1000);
    let mut events = near.events;
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    while let Ok(ok) = timeout(stalled, near_up.frames.send(vec![7; FRAME_BYTES_MAX])).await {
        ok.unwrap();
        sent += 1;
        assert!(sent <= bound, "{sent} frames were taken, at most {bound} have a place");
    }
    assert!(sent >= EVENTS_MAX, "only {sent} frames were taken");

    // The link is still good: all of them arrive as soon as somebody reads.
    for _ in 0..sent {
        let (link, bytes) = far.frame().await;
        assert_eq!((link, bytes.len()), (far_up.link, FRAME_BYTES_MAX));
    }
    timeout(PATIENCE, near_up.frames.send(vec![1])).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_reads_nothing_does_not_stop_the_network_task() {
    let mut near = Mesh::start(1).await;
    let mut far = Mesh::start(2).await;
    let (near_up, _far_up) = link(&mut near, &mut far).await;
    let mut events = near.events;
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    while timeout(Duration::from_millis(500), near_up.frames.send(vec![7; 65_536])).await.is_ok() {}

    // `far` reads nothing and its channel is full, and yet it answers a third device's handshake.
    let mut third = Mesh::start(3).await;
    third.handle.dial(far.addr, Some(far.key)).unwrap();
    let up = third.up().await;
    assert_eq!(up.device, far.key);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_frame_over_the_limit_ends_the_link_and_the_longest_allowed_does_not() {
    let mut near = Mesh::start(1).await;
    let mut far = Mesh::start(2).await;
    let (near_up, _far_up) = link(&mut near, &mut far).await;
    near_up.frames.send(vec![1; FRAME_BYTES_MAX]).await.unwrap();
    assert_eq!(far.frame().await.1.len(), FRAME_BYTES_MAX);
    near_up.frames.send(vec![1; FRAME_BYTES_MAX + 1]).await.unwrap();
    let reason = DownReason::OwnFrameTooLong { bytes: FRAME_BYTES_MAX + 1 };
    assert_eq!(near.down().await, (near_up.link, reason));
}
