//! The device's HTTP API on loopback: what local programs and the status page do, they do through this.

mod audit;
mod auth;
mod captures;
mod edits;
mod events;
mod locked;
mod members;
mod page;
mod peers;
mod problem;
mod record_captures;
mod status;
mod trail;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Router, middleware};
use gateway::driver::Driver;
use gateway::trail::Trail;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::audit::Source;
use crate::locker::Locker;
use crate::metrics;
use crate::shared::Shared;
pub(crate) use audit::{filter_of, send, times_of};
pub(crate) use auth::{Token, only_loopback_names, only_the_owner};
pub(crate) use problem::Problem;
pub(crate) use trail::Acting;

/// Longest request: a full set of images.
const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) driver: Driver,
    pub(crate) shared: Arc<Shared>,
    pub(crate) locker: Arc<Locker>,
    /// Where it is noted who is shown what.
    trail: Trail,
    /// What people call this device: who uses it, if they don't say.
    alias: Arc<str>,
    token: Token,
}

impl App {
    pub(crate) fn new(
        driver: Driver,
        shared: Arc<Shared>,
        locker: Arc<Locker>,
        trail: Trail,
        alias: &str,
        token: &str,
    ) -> Self {
        Self { driver, shared, locker, trail, alias: alias.into(), token: Token::new(token) }
    }
}

impl App {
    /// Where exports come from.
    fn source(&self) -> Source {
        Source { driver: self.driver.clone(), trail: self.trail.clone() }
    }
}

impl FromRef<App> for Token {
    fn from_ref(app: &App) -> Self {
        app.token.clone()
    }
}

/// A server that runs until it is stopped.
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves a router on a loopback address.
    pub(crate) async fn start(address: SocketAddr, router: Router) -> std::io::Result<Self> {
        if !address.ip().is_loopback() {
            let why = format!("{address} isn't a loopback address; the API is for this machine only");
            return Err(std::io::Error::other(why));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        // An event must not wait for the reader to acknowledge the one before it, which takes up to 40 ms. If that can't be
        // had, events are late.
        let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            // Open event streams would hold a graceful stop back for ever: they end with the process.
            tokio::select! {
                served = axum::serve(listener, router) => {
                    if let Err(error) = served {
                        tracing::error!(%error, "the API has stopped");
                    }
                }
                _ = stopped => {}
            }
        });
        Ok(Self { address, stop, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops it.
    pub async fn stop(self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// All routes of a device.
pub(crate) fn router(app: App) -> Router {
    let officers = Router::new()
        .route("/api/peers", get(peers::list).post(peers::dial))
        .route("/api/captures", get(captures::list).post(record_captures::create))
        .route("/api/captures/{id}", get(captures::show))
        .route("/api/captures/{id}/edits", post(edits::edit))
        .route("/api/captures/{id}/seen", post(captures::seen))
        .route("/api/captures/{id}/withdraw", post(captures::withdraw))
        .route("/api/captures/{id}/reviews", post(captures::review))
        .route("/api/captures/{id}/readmit", post(members::readmit))
        .route("/api/members", get(members::list))
        .route("/api/members/{id}/charge", get(members::charge))
        .route("/api/members/{id}/votes", post(members::vote))
        .route("/api/orders", post(members::order))
        .route("/api/set-aside", get(members::set_aside))
        .route("/api/site/edits", post(edits::edit_site))
        .route("/api/site/record", get(edits::show_site))
        .route("/api/events", get(events::stream))
        .route("/api/audit/export", get(audit::export))
        .route("/api/audit/proof", get(audit::proof))
        .layer(middleware::from_fn_with_state(app.clone(), locked::only_unlocked));
    let owned = Router::new()
        .route("/api/status", get(status::status))
        .route("/api/lock", post(locked::lock))
        .route("/api/unlock", post(locked::unlock))
        .route("/unlock", post(locked::unlock_by_form))
        .route("/metrics", get(metrics::metrics))
        .merge(officers)
        .layer(middleware::from_fn_with_state(app.token.clone(), only_the_owner));
    Router::new()
        .route("/", get(page::page))
        .route("/style.css", get(page::style))
        .route("/session", post(auth::sign_in))
        .route("/api/health", get(status::health))
        .merge(owned)
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(middleware::from_fn(only_loopback_names))
        .layer(middleware::from_fn_with_state(app.clone(), trail::note_refusals))
        .with_state(app)
}

async fn nothing_here() -> impl IntoResponse {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path", "see docs/API.md for what there is")
}

pub(crate) async fn not_so() -> impl IntoResponse {
    let detail = "this path doesn't take that method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail, "see docs/API.md for what it takes")
}
