//! `/api/members`, `/api/orders`, `/api/set-aside`: who belongs, who was revoked, and what has no effect.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Query as UrlQuery, State};
use axum::http::StatusCode;
use crdt::entry::About;
use crdt::ids::DeviceId;
use crdt::replica::{AppendError, SET_ASIDE_PAGE_MAX, SetAsideEntry};
use crdt::revocation::{Cause, Charge};
use crdt::statement::Kind;
use gateway::driver::Engine;
use serde::Deserialize;
use serde_json::{Value, json};

use super::captures::{parse_id, write};
use super::{App, Problem};
use crate::names::alias;
use crate::orders::{charge_text, read_order};

pub(super) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    Ok(Json(app.driver.call(|engine, now_ms| members(engine, now_ms)).await?))
}

#[derive(Deserialize)]
pub(super) struct ChargeBody {
    cause: Cause,
    before_ms: Option<u64>,
}

/// What a vote would say, for the authority to sign.
pub(super) async fn charge(
    State(app): State<App>,
    Path(device): Path<String>,
    query: Result<UrlQuery<ChargeBody>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let UrlQuery(body) = query.map_err(|_| Problem::bad_request("the query names no cause", CAUSES))?;
    let device = parse_device(&device)?;
    let charge = app.driver.call(move |engine, _| draft(engine, device, &body)).await??;
    Ok(Json(json!({"device": device.to_string(), "charge": charge_text(&charge)})))
}

const CAUSES: &str =
    "send {\"cause\": \"lost\", \"stolen\", \"misused\" or \"retired\"}, and before_ms if not all is trusted";

pub(super) async fn vote(
    State(app): State<App>,
    Path(device): Path<String>,
    body: Result<Json<ChargeBody>, axum::extract::rejection::JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Json(body) = body.map_err(|error| Problem::new(error.status(), "the body isn't a charge", CAUSES))?;
    let device = parse_device(&device)?;
    write(&app, move |engine, now_ms| {
        let charge = draft(engine, device, &body)?;
        engine.write(now_ms, |replica| replica.vote_new(now_ms, charge))
    })
    .await?;
    Ok((StatusCode::CREATED, Json(app.driver.call(move |engine, now_ms| member(engine, now_ms, &device)).await?)))
}

fn draft(engine: &Engine, device: DeviceId, body: &ChargeBody) -> Result<Charge, AppendError> {
    if engine.replica().certificate(&device).is_none() {
        return Err(AppendError::UnknownDevice);
    }
    Ok(engine.replica().charge(device, body.cause, body.before_ms)?)
}

#[derive(Deserialize)]
pub(super) struct OrderBody {
    order: String,
}

pub(super) async fn order(
    State(app): State<App>,
    body: Result<Json<OrderBody>, axum::extract::rejection::JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let next = "send {\"order\": text}, with the line that `greenline site revoke` printed";
    let Json(OrderBody { order }) =
        body.map_err(|error| Problem::new(error.status(), "the body isn't an order", next))?;
    let order = read_order(&order).map_err(|error| Problem::bad_request(error.to_string(), next))?;
    let device = order.charge.device;
    write(&app, move |engine, now_ms| engine.write(now_ms, |replica| replica.order_new(now_ms, order))).await?;
    Ok((StatusCode::CREATED, Json(app.driver.call(move |engine, now_ms| member(engine, now_ms, &device)).await?)))
}

pub(super) async fn readmit(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let id = parse_id(&id)?;
    write(&app, move |engine, now_ms| engine.write(now_ms, |replica| replica.readmit_new(now_ms, id))).await?;
    Ok((StatusCode::CREATED, Json(json!({"id": id.to_string()}))))
}

#[derive(Deserialize)]
pub(super) struct SetAsideQuery {
    after: Option<u64>,
}

pub(super) async fn set_aside(
    State(app): State<App>,
    query: Result<UrlQuery<SetAsideQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let next = "use the `next` of the page before";
    let UrlQuery(query) = query.map_err(|error| Problem::bad_request(error.body_text(), next))?;
    let from = query.after.map_or(0, |after| after.saturating_add(1));
    let page = app.driver.call(move |engine, _| {
        let rows = engine.replica().set_aside(from)?;
        let next = (rows.len() == SET_ASIDE_PAGE_MAX).then(|| rows.last().map(|it| it.arrival)).flatten();
        let lines: Vec<Value> = rows.iter().map(|it| set_aside_json(engine, it)).collect();
        Ok::<_, crdt::store::StoreError>(json!({"entries": lines, "next": next}))
    });
    Ok(Json(page.await??))
}

fn set_aside_json(engine: &Engine, it: &SetAsideEntry) -> Value {
    let header = &it.header;
    let capture = match header.about {
        About::Site => None,
        About::Capture(id) => Some(id.to_string()),
    };
    json!({
        "device": header.author.device.to_string(),
        "alias": alias(engine, &header.author.device),
        "at_ms": header.time.ms(),
        "kind": kind_word(header.kind),
        "capture": capture,
        "reason": it.reason,
        "readmissible": it.void && header.kind == Kind::Capture as u8,
    })
}

fn kind_word(number: u8) -> String {
    Kind::rule(number).map_or_else(|| format!("kind {number}"), |rule| rule.kind.word().to_owned())
}

fn members(engine: &Engine, now_ms: u64) -> Value {
    let replica = engine.replica();
    let mut devices: BTreeSet<DeviceId> = replica.logs().map(|(_, log)| log.author.device).collect();
    devices.extend(replica.membership().hubs.iter().map(|certificate| certificate.device));
    devices.extend(replica.accused());
    devices.insert(replica.identity().device());
    let members: Vec<Value> = devices.iter().map(|device| member(engine, now_ms, device)).collect();
    json!({
        "members": members,
        "quorum": replica.membership().manifest.policy.quorum,
        "group_keys": replica.group_keys(),
    })
}

fn member(engine: &Engine, now_ms: u64, device: &DeviceId) -> Value {
    let replica = engine.replica();
    let certificate = replica.certificate(device);
    let (orders, votes) = replica.charges(device);
    let revoked = replica.revoked().is_out(device);
    let logs = replica.logs().filter(|(_, log)| log.author.device == *device).map(|(id, log)| {
        let trusted = replica.revoked().trusted(device, *id).min(log.head.height);
        json!({"log": id.to_string(), "entries": log.head.height, "trusted": trusted})
    });
    let votes = votes
        .iter()
        .map(|(by, charge)| json!({"by": by.to_string(), "alias": alias(engine, by), "cause": charge.cause}));
    json!({
        "device": device.to_string(),
        "alias": alias(engine, device),
        "roles": certificate.map(|c| c.roles.names()).unwrap_or_default(),
        "not_before_ms": certificate.map(|c| c.not_before_ms),
        "not_after_ms": certificate.map(|c| c.not_after_ms),
        "renewal_due": !revoked && certificate.is_some_and(|c| c.ends_soon(now_ms)),
        "valid": !revoked && certificate.is_some_and(|c| c.valid_at(now_ms).is_ok()),
        "revoked": revoked,
        "orders": orders.iter().map(|charge| json!({"cause": charge.cause})).collect::<Vec<_>>(),
        "votes": votes.collect::<Vec<_>>(),
        "logs": logs.collect::<Vec<_>>(),
    })
}

fn parse_device(text: &str) -> Result<DeviceId, Problem> {
    let detail = "this is not a device id: expected 52 characters a-z and 2-7";
    text.parse().map_err(|_| Problem::bad_request(detail, "copy it whole from the list of members"))
}
