//! `/api/peers`: who is connected, who is known, and dialling on somebody's word.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use crdt::sync::{LinkClass, PeerStatus};
use gateway::driver::Engine;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{App, Problem};
use crate::names::alias;
use crate::shared::Shared;

pub(super) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let shared = app.shared.clone();
    Ok(Json(app.driver.call(move |engine, now_ms| peers(engine, now_ms, &shared)).await?))
}

#[derive(Deserialize)]
pub(super) struct Dial {
    address: SocketAddr,
}

pub(super) async fn dial(
    State(app): State<App>,
    body: Result<Json<Dial>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let next = "send {\"address\": \"IP:PORT\"}";
    let Json(Dial { address }) = body.map_err(|error| Problem::bad_request(error.body_text(), next))?;
    if app.shared.dial.try_send(address).is_err() {
        let detail = "too many addresses are being dialled";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail, "try again in a minute"));
    }
    Ok((StatusCode::ACCEPTED, Json(json!({"address": address.to_string()}))))
}

pub(super) fn peers(engine: &Engine, now_ms: u64, shared: &Shared) -> Value {
    let connected = engine.peers();
    let known = engine.knowledge().devices().map(|(device, known)| {
        json!({
            "device": device.to_string(),
            "alias": alias(engine, device),
            "heard_ms": known.heard_ms,
            "gateway": known.is_gateway(now_ms),
            "connected": connected.iter().any(|peer| peer.device == *device && peer.admitted),
        })
    });
    let own = engine.replica().identity().device().to_string();
    let known: Vec<Value> = known.filter(|device| device["device"] != own).collect();
    let connected: Vec<Value> = connected.iter().map(|peer| connected_json(engine, peer, shared)).collect();
    json!({"connected": connected, "known": known})
}

fn connected_json(engine: &Engine, peer: &PeerStatus, shared: &Shared) -> Value {
    let roles = engine.replica().certificate(&peer.device).map(|certificate| certificate.roles.names());
    json!({
        "device": peer.device.to_string(),
        "alias": alias(engine, &peer.device),
        "roles": roles.unwrap_or_default(),
        "address": shared.remote(peer.link).map(|address| address.to_string()),
        "kind": match peer.class { LinkClass::Lan => "lan", LinkClass::Uplink => "uplink" },
        "admitted": peer.admitted,
        "phase": format!("{:?}", peer.phase).to_lowercase(),
        "heard_ms": peer.heard_ms,
        "behind": peer.behind,
        "pushes": peer.eager,
        "refused": peer.refused,
    })
}
