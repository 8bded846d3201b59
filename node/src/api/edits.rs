//! What people write together: `/api/captures/{id}/edits`, `/api/site/edits` and `/api/site/record`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use crdt::audit::Act;
use crdt::entry::About;
use crdt::ids::{CaptureId, DeviceId};
use crdt::record::{EDIT_OPS_MAX, EditOp, Quarantined, Record, Said, SaidText, Task};
use crdt::store::StoreError;
use gateway::driver::Engine;
use serde_json::{Value, json};

use super::captures::{parse_id, write};
use super::trail::Acting;
use super::{App, Problem};
use crate::names::alias;

const NEXT: &str = "send {\"ops\": [{\"op\": \"note\", \"text\": \"...\"}]}; see docs/API.md for the others";

pub(super) async fn edit(
    State(app): State<App>,
    acting: Acting,
    Path(id): Path<String>,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let id = parse_id(&id)?;
    let ops = read_ops(body)?;
    // Nothing is written whose outcome couldn't be shown.
    app.trail.ready().await?;
    let linked = linked(&ops);
    write_ops(&app, About::Capture(id), ops).await?;
    if !linked.is_empty() {
        app.note(&acting, Act::Linked, [vec![id], linked].concat(), None).await?;
    }
    let shown =
        app.driver.call(move |engine, _| Ok::<_, StoreError>(json!({"record": record_json(engine, id)?}))).await?;
    let mut shown = shown?;
    app.note_shown(&acting, id, &shown).await?;
    Ok((StatusCode::CREATED, Json(shown["record"].take())))
}

pub(super) async fn edit_site(
    State(app): State<App>,
    acting: Acting,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let ops = read_ops(body)?;
    app.trail.ready().await?;
    write_ops(&app, About::Site, ops).await?;
    Ok((StatusCode::CREATED, show_site(State(app), acting).await?))
}

pub(super) async fn show_site(State(app): State<App>, acting: Acting) -> Result<Json<Value>, Problem> {
    let record = app.driver.call(|engine, _| site_json(engine)).await??;
    app.note(&acting, Act::SiteShown, Vec::new(), None).await?;
    Ok(Json(record))
}

/// The captures that these operations link with another one, or part from it.
fn linked(ops: &[EditOp]) -> Vec<CaptureId> {
    let other = |op: &EditOp| match op {
        EditOp::Link { capture } | EditOp::Unlink { capture } => Some(*capture),
        _ => None,
    };
    ops.iter().filter_map(other).collect()
}

async fn write_ops(app: &App, about: About, ops: Vec<EditOp>) -> Result<(), Problem> {
    let seed = super::record_captures::seed()?;
    write(app, move |engine, now_ms| engine.write(now_ms, |replica| replica.edit_new(now_ms, seed, about, &ops)))
        .await?;
    Ok(())
}

fn read_ops(body: Result<Json<Value>, JsonRejection>) -> Result<Vec<EditOp>, Problem> {
    // What is wrong with the body isn't repeated: it may be about somebody.
    let Json(mut body) = body.map_err(|error| Problem::new(error.status(), "the body isn't JSON", NEXT))?;
    let ops = body.get_mut("ops").map(Value::take).unwrap_or_default();
    let count = ops.as_array().map_or(0, Vec::len);
    if count == 0 || count > EDIT_OPS_MAX {
        return Err(Problem::bad_request(format!("`ops` is a list of 1 to {EDIT_OPS_MAX} operations"), NEXT));
    }
    let unknown = || Problem::bad_request("an operation isn't known, or its fields aren't its own", NEXT);
    serde_json::from_value(ops).map_err(|_| unknown())
}

/// A capture's record; `null` if nobody has edited it.
pub(super) fn record_json(engine: &mut Engine, id: CaptureId) -> Result<Value, StoreError> {
    let Some(record) = engine.record(About::Capture(id))? else { return Ok(Value::Null) };
    let engine = &*engine;
    let mut json = common(engine, &record);
    json["priority"] = json!(record.priority);
    // One who agrees with nobody else needs no list.
    if record.priorities.len() > 1 {
        json["priorities"] =
            record.priorities.iter().map(|said| said_json(engine, said, "value", json!(said.value))).collect();
    }
    json["notes"] = texts(engine, &record.notes, "text");
    json["corrections"] = by_name(engine, &record.corrections);
    json["links"] =
        record.links.iter().map(|said| said_json(engine, said, "value", said.value.0.to_string().into())).collect();
    json["steps"] = texts(engine, &record.steps, "text");
    json["withdrawn"] = texts(engine, &record.withdrawn, "reason");
    Ok(json)
}

fn site_json(engine: &mut Engine) -> Result<Value, StoreError> {
    let record = engine.record(About::Site)?.unwrap_or_default();
    let engine = &*engine;
    let mut json = common(engine, &record);
    json["roster"] = by_name(engine, &record.roster);
    json["handover"] = texts(engine, &record.handover, "text");
    json["tasks"] = record.tasks.iter().map(|task| task_json(engine, task)).collect();
    Ok(json)
}

fn common(engine: &Engine, record: &Record) -> Value {
    json!({
        "edits": record.edits,
        "pending": record.pending,
        "unreadable": record.unreadable,
        "quarantined": record.quarantined.iter().map(|it| quarantined_json(engine, it)).collect::<Vec<_>>(),
    })
}

fn quarantined_json(engine: &Engine, it: &Quarantined) -> Value {
    json!({
        "log": it.log.to_string(),
        "seq": it.seq,
        "by": it.by.to_string(),
        "alias": alias(engine, &it.by),
        "reason": it.reason.to_string(),
    })
}

fn task_json(engine: &Engine, task: &Task) -> Value {
    let mut json = said_json(engine, &task.said, "text", task.said.value.reveal().as_str().into());
    json["id"] = task.id.as_str().into();
    json["done"] = task.done.iter().map(|said| who(engine, &said.by, said.at_ms)).collect();
    json
}

fn by_name(engine: &Engine, values: &BTreeMap<String, Vec<SaidText>>) -> Value {
    values
        .iter()
        .map(|(name, said)| (name.clone(), texts(engine, said, "value")))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn texts(engine: &Engine, said: &[SaidText], member: &str) -> Value {
    said.iter().map(|said| said_json(engine, said, member, said.value.reveal().as_str().into())).collect()
}

fn said_json<T>(engine: &Engine, said: &Said<T>, member: &str, value: Value) -> Value {
    let mut json = who(engine, &said.by, said.at_ms);
    json[member] = value;
    json
}

fn who(engine: &Engine, by: &DeviceId, at_ms: u64) -> Value {
    json!({"by": by.to_string(), "alias": alias(engine, by), "at_ms": at_ms})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_edit_is_said_without_repeating_it() {
        let read = |body: Value| read_ops(Ok(Json(body)));
        let note = json!({"op": "note", "text": "MARKER"});
        assert_eq!(
            read(json!({"ops": vec![note.clone(); EDIT_OPS_MAX]})).map(|ops| ops.len()).ok(),
            Some(EDIT_OPS_MAX)
        );
        let wrong = [
            json!({}),
            json!({"ops": []}),
            json!({"ops": vec![note; EDIT_OPS_MAX + 1]}),
            json!({"ops": [{"op": "MARKER"}]}),
            json!({"ops": [{"op": "note", "text": "n", "MARKER": 1}]}),
            json!({"ops": [{"op": "priority", "priority": "MARKER"}]}),
            json!("MARKER"),
        ];
        for body in wrong {
            let problem = read(body).map(|_| ()).unwrap_err();
            assert!(!format!("{problem:?}").contains("MARKER"), "{problem:?}");
        }
    }
}
