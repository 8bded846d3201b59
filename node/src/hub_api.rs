//! The hub's HTTP API on loopback: how it is, for its operator and for supervision.
//!
//! | path | |
//! | --- | --- |
//! | `/api/health` | 200 while every store can be written, 503 otherwise; open |
//! | `/api/status` | sites, captures, gateways, screenings; with the owner's token |
//! | `/api/audit/export`, `/api/audit/proof` | a site's trail and what became of captures; with the owner's token |
//! | `/api/gallery/notes` | notes in the trails of all sites what is about to be done to the gallery by hand; with the owner's token |
//! | `/metrics` | the same for Prometheus; with the owner's token |

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Query as UrlQuery, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use gateway::hub::{Hub, HubStatus, SiteStatus};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use crate::api::{
    Acting, Problem, Server, Token, filter_of, not_so, only_loopback_names, only_the_owner, send, times_of,
};
use crate::audit::{Filter, Source, What};
use crate::handling::Handling;
use crate::metrics::OPEN_METRICS;

/// Longest note on the gallery, in bytes: one has less than a hundred.
pub const NOTE_BYTES_MAX: usize = 1_024;

/// Serves a hub's API on a loopback address.
pub async fn serve(address: SocketAddr, token: &str, hub: Arc<Hub>) -> std::io::Result<Server> {
    Server::start(address, router(Token::new(token), hub)).await
}

fn router(token: Token, hub: Arc<Hub>) -> Router {
    let owned = Router::new()
        .route("/api/status", get(status))
        .route("/api/audit/export", get(export))
        .route("/api/audit/proof", get(proof))
        .route("/api/gallery/notes", post(note).layer(DefaultBodyLimit::max(NOTE_BYTES_MAX)))
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn_with_state(token, only_the_owner));
    Router::new()
        .route("/api/health", get(health))
        .merge(owned)
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
        .layer(middleware::from_fn(only_loopback_names))
        .with_state(hub)
}

/// Most likely a command for devices was given a hub's folder.
async fn nothing_here() -> impl IntoResponse {
    let next = "give `--home` of a device; `greenline hub status` shows how a hub is, and docs/API.md what there is";
    Problem::new(StatusCode::NOT_FOUND, "a hub runs here, no device, and it has nothing at this path", next)
}

async fn status(State(hub): State<Arc<Hub>>) -> Result<Json<HubStatus>, Problem> {
    Ok(Json(hub.status().await?))
}

async fn export(State(hub): State<Arc<Hub>>, acting: Acting, uri: Uri) -> Result<Response, Problem> {
    let (site, rest) = site_and_rest(&uri);
    answer(&hub, site, What::Trail, filter_of(UrlQuery::try_from_uri(&rest))?, &acting).await
}

async fn proof(State(hub): State<Arc<Hub>>, acting: Acting, uri: Uri) -> Result<Response, Problem> {
    let (site, rest) = site_and_rest(&uri);
    answer(&hub, site, What::Pack, times_of(UrlQuery::try_from_uri(&rest))?, &acting).await
}

/// Which of the hub's sites a query names, and the rest of it, in which nothing may be that isn't known.
fn site_and_rest(uri: &Uri) -> (Option<&str>, Uri) {
    let parts = uri.query().unwrap_or_default().split('&');
    let (sites, rest): (Vec<&str>, Vec<&str>) = parts.partition(|part| part.starts_with("site="));
    let site = sites.first().and_then(|part| part.strip_prefix("site="));
    let rest = format!("/?{}", rest.join("&")).parse().unwrap_or_default();
    (site, rest)
}

async fn answer(
    hub: &Hub,
    site: Option<&str>,
    what: What,
    filter: Filter,
    acting: &Acting,
) -> Result<Response, Problem> {
    let next = "name one with `site`; the status has their ids";
    let id = site.map(str::parse).transpose();
    let id = id.map_err(|_| Problem::bad_request("this is not a site id: expected 52 characters a-z and 2-7", next))?;
    let found = hub.audit(id);
    let (driver, trail) = found.ok_or_else(|| Problem::bad_request("that isn't one of this hub's sites", next))?;
    let alias = driver.call(|engine, _| engine.replica().identity().certificate.alias.clone()).await?;
    send(Source { driver, trail }, what, filter, acting, &alias).await
}

/// Notes what is about to be done to the gallery, in the trail of each site. It may be done once all have it.
async fn note(
    State(hub): State<Arc<Hub>>,
    acting: Acting,
    body: Result<Json<Handling>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let next = "see `POST /api/gallery/notes` in the documentation of the API";
    // What was sent isn't repeated: it may be somebody's reference.
    let unfit = || Problem::bad_request("the body doesn't say what is done to the gallery", next);
    let too_long = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "no such note is so long", next);
    let refused = |why: &JsonRejection| why.status() == StatusCode::PAYLOAD_TOO_LARGE;
    let Json(handling) = body.map_err(|why| if refused(&why) { too_long() } else { unfit() })?;
    let act = handling.act().map_err(|error| Problem::bad_request(error.to_string(), next))?;
    let mut sites = 0;
    for (driver, trail) in hub.audits() {
        let alias = driver.call(|engine, _| engine.replica().identity().certificate.alias.clone()).await?;
        trail.note(vec![acting.record(&alias, act, Vec::new(), None)]).await?;
        sites += 1;
    }
    Ok((StatusCode::CREATED, Json(json!({"sites": sites}))))
}

async fn health(State(hub): State<Arc<Hub>>) -> (StatusCode, Json<Value>) {
    let reason = match hub.status().await {
        Ok(status) => status.sites.into_iter().find_map(|site| site.failure),
        Err(error) => Some(error.to_string()),
    };
    match reason {
        None => (StatusCode::OK, Json(json!({"status": "ok", "reason": null}))),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "failing", "reason": reason}))),
    }
}

async fn metrics(State(hub): State<Arc<Hub>>) -> Result<impl IntoResponse, Problem> {
    let text = describe(&hub.status().await?);
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text))
}

fn describe(status: &HubStatus) -> String {
    type BySite = Family<[(&'static str, String); 1], Gauge>;
    let mut registry = Registry::with_prefix("greenline_hub");
    let mut gauge = |name: &str, help: &str, value: fn(&SiteStatus) -> u64| {
        let family = BySite::default();
        for site in &status.sites {
            let value = i64::try_from(value(site)).unwrap_or(i64::MAX);
            family.get_or_create(&[("site", site.id.clone())]).set(value);
        }
        registry.register(name, help, family);
    };
    gauge("captures", "Captures known", |site| site.captures);
    gauge("erased", "Captures of which nothing but the trail is left", |site| site.erased);
    gauge("accepted", "Captures that a hub has, or had, whole", |site| site.accepted);
    gauge("waiting", "Accepted captures that wait for an answer", |site| site.waiting);
    gauge("answered", "Accepted captures that have an answer", |site| site.answered);
    gauge("sealed_to_others", "Captures that aren't sealed to this hub", |site| site.sealed_to_others);
    gauge("missing_captures", "Captures of which images are still to come", |site| site.missing_captures as u64);
    gauge("missing_bytes", "Bytes of these images", |site| site.missing_bytes);
    gauge("gateways", "Gateways connected", |site| site.links.iter().filter(|link| link.admitted).count() as u64);
    gauge("refused", "Things that members sent or wrote and that didn't hold", |site| {
        site.refused.iter().map(|culprit| culprit.count).sum()
    });
    gauge("store_failed", "1 when the store can't be written", |site| u64::from(site.failure.is_some()));
    let mut text = String::new();
    let mut total = |name: &str, help: &str, value: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    total("screened", "Screenings that ended in an answer since the start", status.screened);
    total("put_off", "Screenings that failed and were put off since the start", status.put_off);
    total("strangers", "Connections that never said what a member says", status.strangers);
    // Writing to a string can't fail.
    let _ = encode(&mut text, &registry);
    text
}
