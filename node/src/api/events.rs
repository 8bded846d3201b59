//! `/api/events`: what happens, as server-sent events.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use crdt::sync::Event;
use futures::Stream;
use futures::stream::unfold;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::App;
use crate::names::alias;

pub(super) async fn stream(State(app): State<App>) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let events = app.driver.events();
    let stream = unfold((app, events), |(app, mut events)| async move {
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                // Whoever unlocks it asks again.
                () = app.locker.until_locked() => return None,
            };
            let event = match event {
                Ok(event) => describe(&app, event).await,
                // A reader that fell behind must look at the whole state again.
                Err(RecvError::Lagged(missed)) => Some(("resync", json!({"missed": missed}))),
                Err(RecvError::Closed) => return None,
            };
            if let Some((name, data)) = event {
                let event = sse::Event::default().event(name).data(data.to_string());
                return Some((Ok(event), (app, events)));
            }
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

async fn describe(app: &App, event: Event) -> Option<(&'static str, Value)> {
    let (name, mut data, device) = match event {
        Event::Changed(id) | Event::Whole(id) => return Some(("capture", json!({"id": id.to_string()}))),
        Event::Erased(id) => return Some(("erased", json!({"id": id.to_string()}))),
        Event::Admitted { device, .. } => ("peer", json!({"state": "admitted"}), device),
        Event::Ended { device, reason, admitted, .. } => {
            let state = if admitted { "left" } else { "not admitted" };
            ("peer", json!({"state": state, "reason": reason.map(|reason| reason.to_string())}), device)
        }
        Event::Refused { device, fault, reason } => ("refused", json!({"fault": fault, "reason": reason}), device),
        Event::Stalled { device, what } => ("stall", json!({"what": what}), device),
        Event::Revoked(device) => ("revoked", json!({}), device),
        Event::Frozen(log) => return Some(("frozen", json!({"log": log.to_string(), "reason": "two histories"}))),
        Event::StoreFailed(error) => return Some(("failing", json!({"reason": error.to_string()}))),
    };
    let alias = app.driver.call(move |engine, _| alias(engine, &device)).await.ok()?;
    data["device"] = device.to_string().into();
    data["alias"] = alias.into();
    Some((name, data))
}
