//! `/api/captures`: lists, one capture whole, readings, reviews and withdrawals.

use axum::Json;
use axum::extract::{Path, Query as UrlQuery, State};
use axum::http::StatusCode;
use crdt::examination::{self, Standing, Word};
use crdt::ids::{CaptureId, DeviceId};
use crdt::replica::{AppendError, Cursor, Query, ReadReview, ReadVerdict, Written};
use crdt::stage::{Reached, Stage, Stages};
use crdt::statement::{Outcome, ReviewContent, Shows, VerdictValue, Why};
use crdt::store::StoreError;
use crdt::view::CaptureView;
use gateway::driver::Engine;
use serde::Deserialize;
use serde_json::{Value, json};

use super::edits::record_json;
use super::trail::Acting;
use super::{App, Problem};
use crate::names::alias;

/// Captures on a page, if the request doesn't say.
const PAGE: usize = 50;
/// Longest note of a review, in bytes.
const NOTE_BYTES_MAX: usize = 4_000;
const LOCK: &str = "do not act: awaiting examiner";
const DISPUTED: &str = "do not act: examiners disagree";

#[derive(Deserialize)]
pub(super) struct ListQuery {
    stage: Option<String>,
    device: Option<String>,
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    limit: Option<usize>,
    after: Option<String>,
    brief: Option<bool>,
}

pub(super) async fn list(
    State(app): State<App>,
    acting: Acting,
    query: Result<UrlQuery<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let UrlQuery(query) = query.map_err(|error| Problem::bad_request(error.body_text(), "correct the query"))?;
    let brief = query.brief.unwrap_or_default();
    let query = query.parse()?;
    let mut page = app.driver.call(move |engine, now_ms| page(engine, now_ms, &query)).await??;
    if brief {
        let lines = page["captures"].as_array_mut().into_iter().flatten();
        lines.filter_map(Value::as_object_mut).for_each(|line| drop(line.remove("verdict")));
    }
    app.note_listed(&acting, page["captures"].as_array().map_or(&[], Vec::as_slice)).await?;
    Ok(Json(page))
}

pub(super) async fn show(
    State(app): State<App>,
    acting: Acting,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = parse_id(&id)?;
    let shown = app.driver.call(move |engine, now_ms| whole(engine, now_ms, id)).await??;
    let shown = shown.ok_or_else(|| Problem::not_found("capture"))?;
    app.note_shown(&acting, id, &shown).await?;
    Ok(Json(shown))
}

pub(super) async fn seen(
    State(app): State<App>,
    acting: Acting,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = parse_id(&id)?;
    // Noted before it is written, since after it there may be nothing left to show.
    let shown = app.driver.call(move |engine, _| readable(engine, id)).await??;
    app.note_shown(&acting, id, &shown).await?;
    let work = move |engine: &mut Engine, now_ms| {
        // What was read may go with the reading: the answer has it for the last time.
        let read = (verdicts(engine, id)?, reviews(engine, id)?);
        let written = engine.write(now_ms, |replica| replica.seen_new(now_ms, id))?;
        let erased = engine.replica().capture(id)?.is_some_and(|view| view.erased.is_some());
        Ok::<_, AppendError>((written, read, erased))
    };
    let (written, (verdicts, reviews), erased) = app.driver.call(work).await??;
    app.driver.durable(written.ticket).await?;
    Ok(Json(json!({"id": id.to_string(), "verdicts": verdicts, "reviews": reviews, "erased": erased})))
}

/// What can be read of the answers to a capture, and what it was taken for.
fn readable(engine: &Engine, id: CaptureId) -> Result<Value, StoreError> {
    let view = engine.replica().capture(id)?.filter(|view| view.erased.is_none());
    let purpose = view.and_then(|view| view.origin).map(|origin| origin.purpose);
    Ok(json!({"purpose": purpose, "verdicts": verdicts(engine, id)?, "reviews": reviews(engine, id)?}))
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum WithdrawalReason {
    Withdrawn,
    Ordered,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WithdrawalBody {
    reason: WithdrawalReason,
}

pub(super) async fn withdraw(
    State(app): State<App>,
    Path(id): Path<String>,
    body: Result<Json<WithdrawalBody>, axum::extract::rejection::JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let id = parse_id(&id)?;
    let next = "send {\"reason\": \"withdrawn\"}, or \"ordered\" as a supervisor";
    // What is wrong with the body isn't repeated: it may be about somebody.
    let Json(body) = body.map_err(|error| Problem::new(error.status(), "the body isn't a withdrawal", next))?;
    let why = match body.reason {
        WithdrawalReason::Withdrawn => Why::Withdrawn,
        WithdrawalReason::Ordered => Why::Ordered,
    };
    write(&app, move |engine, now_ms| engine.write(now_ms, |replica| replica.erase_new(now_ms, id, why))).await?;
    Ok((StatusCode::CREATED, Json(json!({"id": id.to_string(), "reason": why.word()}))))
}

#[derive(Deserialize)]
pub(super) struct ReviewBody {
    outcome: Outcome,
    #[serde(default)]
    note: String,
}

pub(super) async fn review(
    State(app): State<App>,
    Path(id): Path<String>,
    body: Result<Json<ReviewBody>, axum::extract::rejection::JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let id = parse_id(&id)?;
    let next = "send {\"outcome\": \"confirmed\", \"refuted\" or \"undecided\", \"note\": text}";
    // What is wrong with the body isn't repeated: it may be about somebody.
    let Json(body) = body.map_err(|error| Problem::new(error.status(), "the body isn't a review", next))?;
    if body.note.len() > NOTE_BYTES_MAX {
        return Err(Problem::bad_request(format!("a note has at most {NOTE_BYTES_MAX} bytes"), "shorten it"));
    }
    let content = ReviewContent { outcome: body.outcome, note: body.note.into() };
    let seed = super::record_captures::seed()?;
    write(&app, move |engine, now_ms| engine.write(now_ms, |replica| replica.review_new(now_ms, seed, id, &content)))
        .await?;
    Ok((StatusCode::CREATED, Json(json!({"id": id.to_string(), "outcome": body.outcome}))))
}

/// Writes an entry and waits until it is on disk.
pub(super) async fn write(
    app: &App,
    work: impl FnOnce(&mut Engine, u64) -> Result<Written, AppendError> + Send + 'static,
) -> Result<Written, Problem> {
    let written = app.driver.call(work).await??;
    app.driver.durable(written.ticket).await?;
    Ok(written)
}

pub(super) fn parse_id(text: &str) -> Result<CaptureId, Problem> {
    // Not repeated to the caller: what stands where an id should be may be a name.
    let detail = "this is not a capture id: expected 26 characters a-z and 2-7";
    text.parse().map_err(|_| Problem::bad_request(detail, "copy it whole from the list of captures"))
}

impl ListQuery {
    fn parse(self) -> Result<Query, Problem> {
        let stage = self.stage.filter(|word| !word.is_empty()).map(|word| {
            let words: Vec<&str> = Stage::ALL.iter().map(|stage| stage.word()).collect();
            let next = format!("use one of {}", words.join(", "));
            Stage::named(&word).ok_or_else(|| Problem::bad_request("no such stage", next))
        });
        let device = self.device.filter(|text| !text.is_empty()).map(|text| {
            let parsed: Result<DeviceId, _> = text.parse();
            let detail = "this is not a device id: expected 52 characters a-z and 2-7";
            parsed.map_err(|_| Problem::bad_request(detail, "copy it whole from the list of peers"))
        });
        let after = self.after.filter(|text| !text.is_empty()).map(|text| read_cursor(&text));
        Ok(Query {
            stage: stage.transpose()?,
            device: device.transpose()?,
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            after: after.transpose()?,
            limit: self.limit.unwrap_or(PAGE),
        })
    }
}

fn page(engine: &Engine, now_ms: u64, query: &Query) -> Result<Value, StoreError> {
    let (lines, next) = engine.captures(now_ms, query)?;
    let mut captures = Vec::with_capacity(lines.len());
    for (id, view, stages) in &lines {
        captures.push(line(engine, *id, view, stages)?);
    }
    Ok(json!({"captures": captures, "next": next.map(cursor)}))
}

/// One capture in a list.
pub(super) fn line(engine: &Engine, id: CaptureId, view: &CaptureView, stages: &Stages) -> Result<Value, StoreError> {
    let Some(origin) = &view.origin else { return Ok(Value::Null) };
    let stands = view.erased.is_none();
    let verdict = if view.verdicts.is_empty() || !stands { Value::Null } else { weightiest(&verdicts(engine, id)?) };
    Ok(json!({
        "id": id.to_string(),
        "device": origin.device.to_string(),
        "alias": alias(engine, &origin.device),
        "at_ms": origin.time.ms(),
        "purpose": stands.then_some(&origin.purpose),
        "priority": stands.then_some(origin.priority),
        "delete_after_ms": stands.then_some(origin.delete_after_ms),
        "stage": stages.now.word(),
        "copies": stages.copies.len(),
        "images": origin.blobs.len(),
        "bytes": origin.blob_bytes(),
        "edits": view.edits,
        "verdict": verdict,
    }))
}

fn whole(engine: &mut Engine, now_ms: u64, id: CaptureId) -> Result<Option<Value>, StoreError> {
    let Some(view) = engine.replica().capture(id)? else { return Ok(None) };
    let (Some(origin), Some(stages)) = (view.origin.clone(), engine.stages(now_ms, id, &view)) else { return Ok(None) };
    let opened = engine.replica().open_capture(id)?.and_then(Result::ok);
    let shows = opened.as_ref().map(|opened| opened.inside.shows.clone()).unwrap_or_default();
    let images: Vec<Value> = origin
        .blobs
        .iter()
        .enumerate()
        .map(|(at, blob)| json!({"shows": shows.get(at).map(|it| show_word(*it)), "bytes": blob.bytes}))
        .collect();
    let particulars = opened.map(|opened| {
        let fields = opened.inside.particulars.iter();
        fields
            .map(|(name, value)| (name.clone(), Value::from(value.reveal().as_str())))
            .collect::<serde_json::Map<_, _>>()
    });
    let mut whole = line(engine, id, &view, &stages)?;
    whole["stages"] = journey(engine, &stages);
    whole["images"] = images.into();
    whole["particulars"] = particulars.map_or(Value::Null, Value::Object);
    whole["verdicts"] = verdicts(engine, id)?.into();
    whole["reviews"] = reviews(engine, id)?.into();
    whole["record"] = record_json(engine, id)?;
    Ok(Some(whole))
}

fn journey(engine: &Engine, stages: &Stages) -> Value {
    let name = |device: &DeviceId| json!({"device": device.to_string(), "alias": alias(engine, device)});
    let step = |reached: &Option<Reached>| {
        reached.as_ref().map_or(Value::Null, |reached| {
            let mut step = name(&reached.by);
            step["at_ms"] = reached.at_ms.into();
            step
        })
    };
    json!({
        "recorded": step(&Some(stages.recorded.clone())),
        "copies": stages.copies.iter().map(name).collect::<Vec<_>>(),
        "gateways": stages.gateways.iter().map(name).collect::<Vec<_>>(),
        "accepted": step(&stages.accepted),
        "screened": step(&stages.screened),
        "examined": step(&stages.examined),
        "seen": step(&stages.seen),
        "erased": stages.erased.as_ref().map(|gone| {
            let mut erased = gone.by.as_ref().map_or_else(|| json!({"device": null, "alias": null, "at_ms": null}), |by| step(&Some(by.clone())));
            erased["reason"] = gone.why.map(Why::word).into();
            erased
        }),
    })
}

/// All verdicts, the weightiest first.
fn verdicts(engine: &Engine, id: CaptureId) -> Result<Vec<Value>, StoreError> {
    let reviews = engine.replica().reviews(id)?;
    let view = engine.replica().capture(id)?;
    let origin = view.and_then(|view| view.origin).map(|origin| origin.device);
    let mut verdicts = engine.replica().verdicts(id)?;
    let weight = |verdict: &ReadVerdict| verdict.content.as_ref().ok().map(|content| content.value);
    verdicts.sort_by_key(|verdict| std::cmp::Reverse(weight(verdict)));
    Ok(verdicts.iter().map(|verdict| verdict_json(engine, verdict, origin, &reviews)).collect())
}

fn verdict_json(engine: &Engine, verdict: &ReadVerdict, origin: Option<DeviceId>, reviews: &[ReadReview]) -> Value {
    let content = verdict.content.as_ref().ok();
    let value = content.map(|content| content.value);
    let examiners = engine.replica().membership().manifest.policy.examiners;
    let of_this = reviews.iter().filter(|review| *review.mark.refers == verdict.mark.entry.0);
    let words: Vec<Word> = of_this.filter_map(ReadReview::word).collect();
    let standing = (value == Some(VerdictValue::Candidate))
        .then(|| origin.map_or(Standing::Awaiting, |origin| examination::standing(&words, origin, examiners)));
    let locked = standing.is_some_and(Standing::is_locked);
    json!({
        "by": verdict.mark.by.to_string(),
        "alias": alias(engine, &verdict.mark.by),
        "at_ms": verdict.mark.time.ms(),
        "readable": content.is_some(),
        "value": value,
        "reason": content.and_then(|content| content.reason.clone()),
        "candidates": verdict.references.as_ref().ok(),
        "basis": content.map_or(&[][..], |content| &content.basis).iter().map(|it| show_word(*it)).collect::<Vec<_>>(),
        "standing": standing,
        "examiners": examiners,
        "locked": locked,
        "lock": locked.then_some(if standing == Some(Standing::Disputed) { DISPUTED } else { LOCK }),
    })
}

/// What a list shows of the verdicts.
fn weightiest(verdicts: &[Value]) -> Value {
    verdicts.first().map_or(Value::Null, |verdict| {
        let shown = ["value", "readable", "standing", "locked"];
        shown.iter().map(|name| ((*name).to_owned(), verdict[*name].clone())).collect::<serde_json::Map<_, _>>().into()
    })
}

fn reviews(engine: &Engine, id: CaptureId) -> Result<Vec<Value>, StoreError> {
    let reviews = engine.replica().reviews(id)?;
    let review = |review: &ReadReview| {
        let content = review.content.as_ref().ok();
        json!({
            "by": review.mark.by.to_string(),
            "alias": alias(engine, &review.mark.by),
            "at_ms": review.mark.time.ms(),
            "readable": content.is_some(),
            "outcome": content.map(|content| content.outcome),
            "note": content.map(|content| content.note.reveal().as_str()),
        })
    };
    Ok(reviews.iter().map(review).collect())
}

pub(super) fn show_word(shows: Shows) -> String {
    match shows {
        Shows::Finger(number) => format!("finger-{number}"),
        Shows::Face => "face".into(),
    }
}

fn cursor(cursor: Cursor) -> String {
    format!("{}-{}", cursor.time.0, cursor.capture)
}

fn read_cursor(text: &str) -> Result<Cursor, Problem> {
    let parts = text.split_once('-');
    let cursor = parts
        .and_then(|(time, id)| Some(Cursor { time: crdt::time::Hlc(time.parse().ok()?), capture: id.parse().ok()? }));
    cursor.ok_or_else(|| Problem::bad_request("this isn't a cursor", "use the `next` of the page before"))
}
