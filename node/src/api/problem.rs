//! Errors as RFC 9457 problem documents, each with a next step.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use crdt::record::{EditError, Reason};
use crdt::replica::AppendError;
use crdt::store::StoreError;
use gateway::driver::DriverError;
use serde::Serialize;

/// What went wrong with a request.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    next: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            next: next.into(),
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail, next)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what} here"), "see the list, and give the id whole")
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "this request shows no valid token",
            "send `Authorization: Bearer TOKEN` with the token from the file api.token in the device's folder",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

impl From<DriverError> for Problem {
    fn from(error: DriverError) -> Self {
        match error {
            DriverError::Stopped => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), "start the device again")
            }
            DriverError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let status = match error {
            StoreError::Full => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string(), "free some space or repair the disk, then start the device again")
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        let detail = error.to_string();
        let (status, next) = match error {
            AppendError::Store(error) => return error.into(),
            AppendError::Role { .. }
            | AppendError::OwnCapture
            | AppendError::OwnCase
            | AppendError::NotReadable
            | AppendError::TooManyWords
            | AppendError::Revoked
            | AppendError::NotOwnCapture
            | AppendError::Edit(EditError::Refused(Reason::Role)) => (StatusCode::FORBIDDEN, "ask a supervisor"),
            AppendError::Certificate(_) => {
                (StatusCode::FORBIDDEN, "check the clock; if it is right, ask the supervisor for a renewal")
            }
            AppendError::UnknownCapture => (StatusCode::NOT_FOUND, "see the list, and give the id whole"),
            AppendError::UnknownDevice => (StatusCode::NOT_FOUND, "see the list of members, and give the id whole"),
            AppendError::NotVoid => (StatusCode::CONFLICT, "see the list of what is set aside"),
            AppendError::Erased => (StatusCode::GONE, "nothing needs to be done about it any more"),
            AppendError::NoVerdict | AppendError::NoHub => (StatusCode::CONFLICT, "try again later, or see the detail"),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "correct the request and send it again"),
        };
        Self::new(status, detail, next)
    }
}
