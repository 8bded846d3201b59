//! `/api/audit/export` and `/api/audit/proof`: the trail and what became of captures, as signed lines.

use std::io;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as UrlQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use crdt::audit::Act;
use futures::stream::{self, StreamExt};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::trail::Acting;
use super::{App, Problem};
use crate::audit::{AuditError, Filter, FilterError, Source, What, write};

/// The content type of lines of JSON.
const LINES: &str = "application/jsonl; charset=utf-8";
/// Pieces of an export that wait for whoever takes it.
const PIECES_MAX: usize = 4;
const FILTER: &str = "use from_ms, to_ms, device, role, operator, verb and capture";
const TIMES: &str = "use from_ms and to_ms";

/// The time that a proof pack is of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Times {
    from_ms: Option<u64>,
    to_ms: Option<u64>,
}

pub(super) async fn export(
    State(app): State<App>,
    acting: Acting,
    filter: Result<UrlQuery<Filter>, QueryRejection>,
) -> Result<Response, Problem> {
    send(app.source(), What::Trail, filter_of(filter)?, &acting, &app.alias).await
}

pub(super) async fn proof(
    State(app): State<App>,
    acting: Acting,
    times: Result<UrlQuery<Times>, QueryRejection>,
) -> Result<Response, Problem> {
    send(app.source(), What::Pack, times_of(times)?, &acting, &app.alias).await
}

/// The filter in a query. What is wrong with it isn't repeated: it may be somebody's name.
pub(crate) fn filter_of(query: Result<UrlQuery<Filter>, QueryRejection>) -> Result<Filter, Problem> {
    query.map(|UrlQuery(filter)| filter).map_err(|_| Problem::bad_request("the query isn't a filter", FILTER))
}

/// The same of a proof pack.
pub(crate) fn times_of(query: Result<UrlQuery<Times>, QueryRejection>) -> Result<Filter, Problem> {
    let UrlQuery(Times { from_ms, to_ms }) =
        query.map_err(|_| Problem::bad_request("the query isn't a time", TIMES))?;
    Ok(Filter { from_ms, to_ms, ..Filter::default() })
}

/// Sends an export as it is written. Whatever goes wrong after the first piece ends it without its last line, which signs it.
pub(crate) async fn send(
    source: Source,
    what: What,
    filter: Filter,
    acting: &Acting,
    alias: &str,
) -> Result<Response, Problem> {
    let wanted = filter.read()?;
    let record = acting.record(alias, Act::Exported, Vec::new(), None);
    let (pieces, mut taken) = mpsc::channel::<String>(PIECES_MAX);
    let (done, outcome) = oneshot::channel();
    tokio::spawn(async move {
        let written = write(&source, what, wanted, record, &pieces).await;
        drop(pieces);
        // Nobody listens any more if the taker has gone.
        let _ = done.send(written);
    });
    let Some(first) = taken.recv().await else {
        return Err(outcome
            .await
            .map_or(AuditError::Gone.into(), |written| written.err().unwrap_or(AuditError::Gone).into()));
    };
    let rest = stream::unfold(taken, |mut taken| async move { taken.recv().await.map(|piece| (Ok(piece), taken)) });
    let end = stream::once(outcome).filter_map(|outcome| async move {
        let error = outcome.ok()?.err()?;
        tracing::error!(%error, "an export of the audit trail ended early");
        Some(Err(io::Error::other(error.to_string())))
    });
    let body = Body::from_stream(stream::iter([Ok(first)]).chain(rest).chain(end));
    Ok(([(header::CONTENT_TYPE, LINES)], body).into_response())
}

impl From<FilterError> for Problem {
    fn from(error: FilterError) -> Self {
        Self::bad_request(error.to_string(), error.hint())
    }
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        let (detail, next) = (error.to_string(), error.hint());
        match error {
            AuditError::Driver(error) => error.into(),
            AuditError::Trail(error) => error.into(),
            AuditError::Store(error) => error.into(),
            AuditError::NotAllowed => Self::new(StatusCode::FORBIDDEN, detail, next),
            AuditError::TooMany => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail, next),
            AuditError::Gone => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail, next),
        }
    }
}
