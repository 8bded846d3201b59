//! What a locked device answers, and how it is locked and unlocked.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Form, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use crdt::audit::{Act, Refused};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::trail::Acting;
use super::{App, Problem};
use crate::home::parse_key_file;
use crate::keystore::{Opener, Passphrase};
use crate::locker::LockError;

const NEXT: &str = "run `greenline unlock` with the same --home, or unlock it on its page";

/// What opens the keys: one of the two.
#[derive(Deserialize)]
pub(super) struct Unlock {
    passphrase: Option<Zeroizing<String>>,
    key_file: Option<Zeroizing<String>>,
}

/// Refuses all requests while the device is locked. Each one that isn't refused shows that its officer is there.
pub(super) async fn only_unlocked(State(app): State<App>, request: Request, next: Next) -> Response {
    if app.locker.ask() { next.run(request).await } else { locked().into_response() }
}

pub(super) fn locked() -> Problem {
    Problem::new(StatusCode::LOCKED, "the device is locked; it goes on carrying and syncing", NEXT)
}

pub(super) async fn lock(State(app): State<App>, acting: Acting) -> Result<Json<Value>, Problem> {
    app.locker.lock_now().await?;
    app.note_anyway(&acting, Act::Locked, Vec::new()).await;
    Ok(Json(json!({"locked": true})))
}

pub(super) async fn unlock(
    State(app): State<App>,
    acting: Acting,
    body: Result<Json<Unlock>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let next = "send {\"passphrase\": \"...\"} or {\"key_file\": \"...\"}, the text of the file";
    // What was sent is never repeated.
    let Json(body) =
        body.map_err(|error| Problem::new(error.status(), "the body isn't what unlocks a device", next))?;
    let opener = body.opener().ok_or_else(|| Problem::bad_request("the body isn't what unlocks a device", next))?;
    unlock_with(&app, &acting, opener).await?;
    Ok(Json(json!({"locked": false})))
}

/// The form on the page.
pub(super) async fn unlock_by_form(State(app): State<App>, Form(form): Form<Unlock>) -> Redirect {
    let Some(opener) = form.opener() else { return Redirect::to("/?wrong") };
    match unlock_with(&app, &Acting::default(), opener).await {
        Ok(()) | Err(LockError::Open) => Redirect::to("/"),
        Err(LockError::Wait(_)) => Redirect::to("/?wait"),
        Err(_) => Redirect::to("/?wrong"),
    }
}

async fn unlock_with(app: &App, acting: &Acting, opener: Opener) -> Result<(), LockError> {
    let unlocked = app.locker.unlock(opener).await;
    let act = match &unlocked {
        Ok(()) => Act::Unlocked,
        Err(LockError::Wrong(_)) => Act::Refused(Refused::WrongOpener),
        Err(_) => return unlocked,
    };
    app.note_anyway(acting, act, Vec::new()).await;
    unlocked
}

impl Unlock {
    fn opener(self) -> Option<Opener> {
        match (self.passphrase, self.key_file) {
            (Some(passphrase), None) => Some(Opener::Passphrase(Passphrase::typed(passphrase))),
            (None, Some(text)) => parse_key_file(&text).map(Opener::KeyFile),
            _ => None,
        }
    }
}

impl From<LockError> for Problem {
    fn from(error: LockError) -> Self {
        let detail = error.to_string();
        let (status, next) = match &error {
            LockError::Unprotected => (StatusCode::CONFLICT, "see `greenline keystore protect`"),
            LockError::Open => (StatusCode::CONFLICT, "go on"),
            LockError::Wait(_) => (StatusCode::TOO_MANY_REQUESTS, "try again after that"),
            LockError::Wrong(error) => (StatusCode::FORBIDDEN, error.hint()),
            LockError::Home(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.hint()),
            LockError::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "start the device again"),
        };
        Self::new(status, detail, next)
    }
}
