//! Between our words for addresses and keys and libp2p's.

use std::net::SocketAddr;

use libp2p::{
    Multiaddr, PeerId,
    identity::{Keypair, PublicKey, ed25519},
    multiaddr::Protocol,
};

use crate::event::DeviceKey;

/// The multihash code of a hash that is the data itself, which short keys use.
const IDENTITY_HASH: u64 = 0;

/// The public key that belongs to a secret seed.
pub fn device_key(seed: &[u8; 32]) -> DeviceKey {
    peer_device(&keypair(*seed).public().to_peer_id()).expect("the peer id of an Ed25519 key contains the key")
}

/// The key pair that belongs to a secret seed.
pub(crate) fn keypair(seed: [u8; 32]) -> Keypair {
    Keypair::ed25519_from_bytes(seed).expect("every 32 bytes are an Ed25519 seed")
}

/// The device of a peer id; none if its key isn't an Ed25519 key.
pub(crate) fn peer_device(peer: &PeerId) -> Option<DeviceKey> {
    let hash = peer.as_ref();
    if hash.code() != IDENTITY_HASH {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(hash.digest()).ok()?;
    Some(key.try_into_ed25519().ok()?.to_bytes())
}

/// The peer id of a device; none if its key isn't a point of the curve.
pub(crate) fn device_peer(device: &DeviceKey) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(device).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// The QUIC address of a UDP address.
pub(crate) fn quic_addr(addr: SocketAddr) -> Multiaddr {
    Multiaddr::from(addr.ip()).with(Protocol::Udp(addr.port())).with(Protocol::QuicV1)
}

/// The UDP address of a QUIC address; none for any other kind of address.
pub(crate) fn socket_addr(addr: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = addr.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    let Some(Protocol::Udp(port)) = parts.next() else {
        return None;
    };
    let Some(Protocol::QuicV1) = parts.next() else {
        return None;
    };
    match parts.next() {
        None | Some(Protocol::P2p(_)) => Some(SocketAddr::new(ip, port)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_survives_the_way_to_a_peer_id_and_back() {
        let key = device_key(&[7; 32]);
        assert_eq!(peer_device(&device_peer(&key).unwrap()), Some(key));
    }

    /// RFC 8032, section 7.1, test 1.
    #[test]
    fn the_key_is_the_standard_one_for_the_seed() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
            0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        assert_eq!(device_key(&seed)[..4], [0xd7, 0x5a, 0x98, 0x01]);
    }

    #[test]
    fn only_quic_addresses_are_socket_addresses() {
        let v4: SocketAddr = "10.1.2.3:4567".parse().unwrap();
        let v6: SocketAddr = "[2001:db8::1]:9".parse().unwrap();
        assert_eq!(socket_addr(&quic_addr(v4)), Some(v4));
        assert_eq!(socket_addr(&quic_addr(v6)), Some(v6));
        let with_peer = quic_addr(v4).with(Protocol::P2p(PeerId::random()));
        assert_eq!(socket_addr(&with_peer), Some(v4));
        for other in [
            "/ip4/1.2.3.4/tcp/1",
            "/ip4/1.2.3.4/udp/1",
            "/dns4/a.example/udp/1/quic-v1",
            "/ip4/1.2.3.4/udp/1/quic-v1/p2p-circuit",
        ] {
            assert_eq!(socket_addr(&other.parse().unwrap()), None, "{other}");
        }
    }

    #[test]
    fn keys_of_other_kinds_are_no_device() {
        assert_eq!(peer_device(&PeerId::random()), None);
    }
}
