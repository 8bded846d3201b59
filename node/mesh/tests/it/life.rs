//! How links come and go.

use std::{net::SocketAddr, time::Duration};

use mesh::{DeviceKey, DialError, DownReason, Event, device_key};
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::kit::{Cable, Mesh, PATIENCE, config, link};

#[tokio::test(flavor = "multi_thread")]
async fn both_dial_and_have_two_links_with_mirrored_initiators() {
    let mut near = Mesh::start(1).await;
    let mut far = Mesh::start(2).await;
    near.handle.dial(far.addr, Some(far.key)).unwrap();
    far.handle.dial(near.addr, Some(near.key)).unwrap();
    let near_ups = [near.up().await, near.up().await];
    let far_ups = [far.up().await, far.up().await];
    assert_ne!(near_ups[0].link, near_ups[1].link);
    assert_eq!(near_ups.iter().filter(|up| up.initiator).count(), 1);

    // What goes into the link that one side initiated comes out of the link that the other side didn't.
    for up in &near_ups {
        up.frames.send(vec![u8::from(up.initiator)]).await.unwrap();
    }
    for _ in 0..2 {
        let (number, bytes) = far.frame().await;
        let up = far_ups.iter().find(|up| up.link == number).unwrap();
        assert_eq!(bytes, [u8::from(!up.initiator)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_link_is_down_on_both_sides_and_can_be_made_again() {
    let mut near = Mesh::start(1).await;
    let mut far = Mesh::start(2).await;
    let (near_up, far_up) = link(&mut near, &mut far).await;
    // The last word before a close arrives.
    near_up.frames.try_send(b"goodbye".to_vec()).unwrap();
    near.handle.close(near_up.link);
    assert_eq!(far.frame().await, (far_up.link, b"goodbye".to_vec()));
    assert_eq!(far.down().await, (far_up.link, DownReason::ClosedByPeer));
    assert_eq!(near.down().await, (near_up.link, DownReason::ClosedHere));
    assert!(near_up.frames.is_closed());

    let (again, _far_up) = link(&mut near, &mut far).await;
    assert_ne!(again.link, near_up.link);
    // To close a link that is gone does nothing.
    near.handle.close(near_up.link);
    again.frames.send(vec![1]).await.unwrap();
    assert_eq!(far.frame().await.1, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_sender_of_frames_closes_the_link_after_its_last_frame() {
    let mut near = Mesh::start(1).await;
    let mut far = Mesh::start(2).await;
    let (near_up, far_up) = link(&mut near, &mut far).await;
    near_up.frames.try_send(vec![1]).unwrap();
    near_up.frames.try_send(vec![2]).unwrap();
    drop(near_up.frames);
    assert_eq!(far.frame().await.1, [1]);
    assert_eq!(far.frame().await.1, [2]);
    assert_eq!(far.down().await, (far_up.link, DownReason::ClosedByPeer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_loss_is_noticed_after_the_idle_timeout_and_a_quiet_link_lives() {
    let mut near = Mesh::start(1).await;
    let mut far = Mesh::start(2).await;
    let idle_timeout = config(1).idle_timeout;
    let cable = Cable::to(far.addr).await;
    near.handle.dial(cable.addr, Some(far.key)).unwrap();
    let (near_up, far_up) = (near.up().await, far.up().await);

    // Nobody says anything for longer than the timeout: keep-alives hold the link.
    let quiet = timeout(2 * idle_timeout, near.events.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}");

    cable.cut();
    let cut = Instant::now();
    let (lost, reason) = near.down().await;
    let noticed = cut.elapsed();
    assert_eq!(lost, near_up.link);
    assert!(matches!(&reason, DownReason::Lost(text) if text.contains("timed out")), "{reason}");
    assert!(noticed > idle_timeout / 2 && noticed < 2 * idle_timeout, "{noticed:?}");
    assert_eq!(far.down().await.0, far_up.link);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dial_that_nobody_answers_fails_in_time() {
    let mut near = Mesh::start(1).await;
    // Bound, so that nobody else gets the port, and never read.
    let deaf = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let started = Instant::now();
    near.handle.dial(deaf.local_addr().unwrap(), None).unwrap();
    let (addr, device, reason) = near.dial_failed().await;
    assert_eq!((addr, device), (deaf.local_addr().unwrap(), None));
    assert!(reason.contains("timed out"), "{reason}");
    assert!(started.elapsed() < 3 * config(1).handshake_timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_than_expected_fails_the_dial() {
    let mut near = Mesh::start(1).await;
    let mut far = Mesh::start(2).await;
    let expected = Mesh::start(3).await.key;
    near.handle.dial(far.addr, Some(expected)).unwrap();
    let (addr, device, reason) = near.dial_failed().await;
    assert_eq!((addr, device), (far.addr, Some(expected)));
    assert!(reason.contains("another device"), "{reason}");
    // With no expectation, or the right one, it works.
    near.handle.dial(far.addr, None).unwrap();
    assert_eq!(near.up().await.device, far.key);
    assert_eq!(far.up().await.device, near.key);
}

#[tokio::test(flavor = "multi_thread")]
async fn own_addresses_and_impossible_ones_fail_the_dial() {
    let mut near = Mesh::start(1).await;
    let impossible: [SocketAddr; 2] = [near.addr, SocketAddr::from(([127, 0, 0, 1], 0))];
    for addr in impossible {
        near.handle.dial(addr, None).unwrap();
        assert_eq!(near.dial_failed().await.0, addr);
    }
    // No point of the curve.
    near.handle.dial(SocketAddr::from(([127, 0, 0, 1], 9)), Some([0xff; 32])).unwrap();
    assert_eq!(near.dial_failed().await.1, Some([0xff; 32]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_connection_to_one_device_is_refused() {
    let mut near = Mesh::start(1).await;
    let mut far = Mesh::start(2).await;
    let first = link(&mut near, &mut far).await;
    let second = link(&mut near, &mut far).await;
    near.handle.dial(far.addr, Some(far.key)).unwrap();
    let (_, _, reason) = near.dial_failed().await;
    assert!(reason.contains("at most 2"), "{reason}");
    // After one of them is closed there is room again.
    near.handle.close(first.0.link);
    assert_eq!(near.down().await.0, first.0.link);
    assert_eq!(far.down().await.0, first.1.link);
    let third = dial_until_up(&mut near, &far).await;
    assert!(third > second.0.link);
}

/// The connection may take a moment longer to be gone than its link.
async fn dial_until_up(near: &mut Mesh, far: &Mesh) -> u64 {
    loop {
        near.handle.dial(far.addr, Some(far.key)).unwrap();
        match near.news().await {
            Event::Up { link, .. } => return link,
            Event::DialFailed { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_tells_the_others_at_once_and_ends_the_events() {
    let mut near = Mesh::start(1).await;
    let mut far = Mesh::start(2).await;
    let (near_up, far_up) = link(&mut near, &mut far).await;
    timeout(PATIENCE, near.handle.shutdown()).await.unwrap();
    assert_eq!(far.down().await, (far_up.link, DownReason::ClosedByPeer));
    assert_eq!(near.down().await, (near_up.link, DownReason::ClosedHere));
    assert!(timeout(PATIENCE, near.events.recv()).await.unwrap().is_none());
    assert_eq!(near.handle.dial(far.addr, None), Err(DialError::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_handles_or_without_a_reader_the_mesh_stops() {
    let mut far = Mesh::start(2).await;
    let mut near = Mesh::start(1).await;
    let (_, far_up) = link(&mut near, &mut far).await;
    drop(near);
    assert_eq!(far.down().await.0, far_up.link);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_reported_and_tried_again() {
    let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap();
    let mut config = config(1);
    config.listen = vec![addr];
    let (_handle, mut events) = mesh::start(config).unwrap();
    match timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
        Event::ListenFailed { addr: failed, .. } => assert_eq!(failed, addr),
        other => panic!("{other:?}"),
    }
    drop(taken);
    match timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
        Event::Listening { addr: listening } => assert_eq!(listening, addr),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unspecified_address_becomes_the_addresses_of_the_interfaces() {
    let mut config = config(1);
    config.listen = vec![SocketAddr::from(([0, 0, 0, 0], 0))];
    let (_handle, mut events) = mesh::start(config).unwrap();
    match timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
        Event::Listening { addr } => assert!(!addr.ip().is_unspecified() && addr.port() != 0),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn timeouts_that_contradict_each_other_are_refused() {
    let mut config = config(1);
    config.keep_alive = config.idle_timeout;
    assert!(mesh::start(config.clone()).is_err());
    config.keep_alive = config.idle_timeout - Duration::from_millis(1);
    assert!(mesh::start(config).is_ok());
}

/// Needs an interface besides loopback; without one there is nobody to find and nothing to test.
#[tokio::test(flavor = "multi_thread")]
async fn devices_on_one_network_find_each_other_lose_each_other_and_find_each_other_again() {
    let [(_near_handle, mut near), (far_handle, mut far)] = [11, 12].map(|seed| {
        let mut config = config(seed);
        config.listen = vec![SocketAddr::from(([0, 0, 0, 0], 0))];
        config.mdns = true;
        config.mdns_ttl = Duration::from_secs(12);
        mesh::start(config).unwrap()
    });
    let (near_key, far_key) = (device_key(&[11; 32]), device_key(&[12; 32]));
    let (Some(near_addr), Some(far_addr)) = (reachable(&mut near).await, reachable(&mut far).await) else {
        return;
    };
    assert_eq!(find(&mut near, far_key).await, far_addr);
    assert_eq!(find(&mut far, near_key).await, near_addr);

    // Who isn't heard any more is gone, and found again when it comes back.
    drop((far_handle, far));
    let vanished = async {
        loop {
            if let Event::Vanished { device, addr } = near.recv().await.unwrap() {
                return (device, addr);
            }
        }
    };
    // Its answers held for twelve seconds.
    assert_eq!(timeout(3 * PATIENCE, vanished).await.expect("still believed"), (far_key, far_addr));
    let mut config = config(12);
    config.mdns = true;
    config.listen = vec![far_addr];
    let (_far_handle, _far) = mesh::start(config).unwrap();
    assert_eq!(find(&mut near, far_key).await, far_addr);
}

/// The first address beyond loopback. Without any, the mesh says nothing after its loopback address.
async fn reachable(events: &mut mpsc::Receiver<Event>) -> Option<SocketAddr> {
    let beyond = async {
        loop {
            if let Event::Listening { addr } = events.recv().await.unwrap()
                && !addr.ip().is_loopback()
            {
                return addr;
            }
        }
    };
    timeout(Duration::from_secs(2), beyond).await.ok()
}

async fn find(events: &mut mpsc::Receiver<Event>, wanted: DeviceKey) -> SocketAddr {
    let found = async {
        loop {
            if let Event::Discovered { device, addr } = events.recv().await.unwrap()
                && device == wanted
            {
                return addr;
            }
        }
    };
    timeout(PATIENCE, found).await.expect("not found")
}
