//! `/metrics`, for Prometheus. Nothing in it is about a person.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use crdt::store::Store;
use crdt::sync::LinkClass;
use gateway::driver::Engine;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::{App, Problem};
use crate::locker::Told;

/// The content type of the OpenMetrics text format.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let (gateway, lock) = (app.shared.is_gateway(), app.locker.told());
    let text = app.driver.call(move |engine, _| describe(engine, gateway, lock)).await?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text))
}

fn describe(engine: &Engine, gateway: bool, lock: Told) -> String {
    let mut registry = Registry::with_prefix("greenline");
    let mut gauge = |name: &str, help: &str, value: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    let (replica, peers) = (engine.replica(), engine.peers());
    let (missing_captures, missing_bytes) = engine.missing();
    let connected = |class| peers.iter().filter(|peer| peer.admitted && peer.class == class).count() as u64;
    gauge("captures", "Captures known", replica.captures());
    gauge("captures_erased", "Captures of which nothing but the trail is left", replica.erased());
    gauge("captures_open", "Captures that no hub has accepted yet", replica.open_captures().len() as u64);
    gauge("missing_captures", "Captures of which images are missing here", missing_captures as u64);
    gauge("missing_bytes", "Bytes of images that are missing here", missing_bytes);
    gauge("peers_lan", "Members connected at the site", connected(LinkClass::Lan));
    gauge("peers_uplink", "Hubs or gateways connected", connected(LinkClass::Uplink));
    gauge("gateway", "1 while this device has a working uplink", u64::from(gateway));
    gauge("locked", "1 while this device is locked", u64::from(lock.locked));
    gauge("logs", "Logs known", replica.logs().count() as u64);
    gauge("logs_frozen", "Logs cut because their author wrote two histories", replica.frozen().count() as u64);
    gauge("revoked", "Devices that are revoked", replica.revoked().len() as u64);
    let lag = replica.store().applied().0.saturating_sub(replica.store().durable().0);
    gauge("store_waiting", "Batches that aren't on disk yet", lag);
    gauge("store_failed", "1 when the store can't be written", u64::from(replica.store().failure().is_some()));

    let traffic = engine.traffic();
    let mut counter = |name: &str, help: &str, value: u64| {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    };
    counter("sent_bytes", "Bytes of frames sent", traffic.sent_bytes);
    counter("received_bytes", "Bytes of frames received", traffic.received_bytes);
    counter("entries_received_bytes", "Bytes of frames of entries received", traffic.entries_received_bytes);
    counter("blobs_received_bytes", "Bytes of frames of images received", traffic.blobs_received_bytes);
    counter("duplicates", "Entries received that were here already", traffic.duplicates);
    counter("malformed", "Frames that couldn't be read", traffic.malformed);
    counter("unlock_wrong", "Wrong tries to unlock this device", lock.wrong_tries);
    counter(
        "refused",
        "Things that members sent or wrote and that didn't hold",
        engine.conduct().map(|(_, faults)| faults.total()).sum(),
    );
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = encode(&mut text, &registry);
    text
}
