//! `/api/status` and `/api/health`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use crdt::store::Store;
use gateway::driver::Engine;
use serde_json::{Value, json};

use super::{App, Problem};
use crate::clock;
use crate::names::alias;
use crate::shared::Shared;

/// For supervision by others: says nothing about anybody.
pub(super) async fn health(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let answer = app.driver.call(|engine, _| {
        let replica = engine.replica();
        let failure = replica.store().failure().map(|error| error.to_string());
        (failure, replica.identity().device().to_string(), replica.site().to_string())
    });
    match answer.await {
        Ok((None, device, site)) => {
            (StatusCode::OK, Json(json!({"status": "ok", "reason": null, "device": device, "site": site})))
        }
        Ok((Some(reason), device, site)) => {
            let body = json!({"status": "failing", "reason": reason, "device": device, "site": site});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body))
        }
        Err(error) => {
            let body = json!({"status": "failing", "reason": error.to_string(), "device": null, "site": null});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body))
        }
    }
}

pub(super) async fn status(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let shared = app.shared.clone();
    let mut status = app.driver.call(move |engine, now_ms| describe(engine, now_ms, &shared)).await?;
    status["lock"] = json!(app.locker.told());
    Ok(Json(status))
}

pub(super) fn describe(engine: &Engine, now_ms: u64, shared: &Shared) -> Value {
    let replica = engine.replica();
    let certificate = &replica.identity().certificate;
    let (missing_captures, missing_bytes) = engine.missing();
    let frozen = replica.frozen().map(|(log, from)| {
        let device = replica.log(log).map(|log| log.author.device);
        json!({
            "device": device.map(|device| device.to_string()),
            "alias": device.map_or_else(|| log.short(), |device| alias(engine, &device)),
            "from_seq": from,
        })
    });
    let revoked =
        replica.revoked().devices().map(|device| json!({"device": device.to_string(), "alias": alias(engine, device)}));
    let conduct = engine.conduct().map(|(device, faults)| {
        json!({"device": device.to_string(), "alias": alias(engine, device), "count": faults.total(),
               "faults": faults, "words": faults.words()})
    });
    let doubt = clock::doubt(engine, now_ms).ok().flatten();
    let clock = doubt.map(|doubt| json!({"ahead": doubt.ahead, "by_ms": doubt.by_ms, "words": doubt.words()}));
    json!({
        "clock": clock,
        "device": {"id": certificate.device.to_string(), "alias": certificate.alias, "roles": certificate.roles.names(),
                   "not_after_ms": certificate.not_after_ms, "renewal_due": certificate.ends_soon(now_ms)},
        "site": {"id": replica.site().to_string(), "name": shared.site_name},
        "gateway": shared.is_gateway(),
        "uplink": shared.way_out(),
        "captures": replica.captures(),
        "open": replica.open_captures().len(),
        "erased": replica.erased(),
        "missing": {"captures": missing_captures, "bytes": missing_bytes},
        "peers": engine.peers().iter().filter(|peer| peer.admitted).count(),
        "logs": replica.logs().count(),
        "frozen": frozen.collect::<Vec<_>>(),
        "revoked": revoked.collect::<Vec<_>>(),
        "refused": conduct.collect::<Vec<_>>(),
        "traffic": engine.traffic(),
        "listening": shared.listening().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "notes": shared.notes(),
        "started_ms": shared.started_ms,
        "now_ms": now_ms,
        "fingerprint": data_encoding::HEXLOWER.encode(&replica.heads_digest()),
    })
}
