//! Who may ask: only this machine, by a loopback name, with the owner's token or a session made with it.

use std::sync::Arc;

use axum::extract::{Form, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use crdt::audit::{Act, Refused};
use serde::Deserialize;

use super::App;
use super::problem::Problem;
use super::trail::Acting;

const COOKIE: &str = "greenline";

/// What the owner's programs show.
#[derive(Clone)]
pub(crate) struct Token(Arc<str>);

impl Token {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    fn is(&self, shown: &str) -> bool {
        equal(shown.trim(), &self.0)
    }
}

/// Refuses requests that a web page elsewhere could have caused by pointing a name of its own at this machine.
pub(crate) async fn only_loopback_names(request: Request, next: Next) -> Response {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(host_name);
    if !matches!(named, Some("127.0.0.1" | "localhost" | "[::1]")) {
        let detail = "this device answers to 127.0.0.1, localhost and [::1] only";
        return Problem::new(StatusCode::FORBIDDEN, detail, "use one of these names").into_response();
    }
    let mut response = next.run(request).await;
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    ];
    for (name, value) in fixed {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Refuses requests without the token or a session.
pub(crate) async fn only_the_owner(State(token): State<Token>, request: Request, next: Next) -> Response {
    if is_owner(&token, request.headers()) { next.run(request).await } else { Problem::unauthorized().into_response() }
}

/// Whether a request shows the token: as a bearer, or in the session's cookie.
pub(crate) fn is_owner(token: &Token, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let cookies = text(header::COOKIE).into_iter().flat_map(|value| value.split(';'));
    let cookie = cookies.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == COOKIE);
    [bearer, cookie.map(|(_, value)| value)].into_iter().flatten().any(|shown| token.is(shown))
}

#[derive(Deserialize)]
pub(crate) struct SignIn {
    token: String,
}

/// Begins a session: the token goes into a cookie that scripts can't read and other sites can't send.
pub(crate) async fn sign_in(State(app): State<App>, Form(form): Form<SignIn>) -> Response {
    let token = &app.token;
    if !token.is(&form.token) {
        app.note_anyway(&Acting::default(), Act::Refused(Refused::NoToken), Vec::new()).await;
        return Redirect::to("/?wrong").into_response();
    }
    let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", token.0);
    let mut response = Redirect::to("/").into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Compares in a time that doesn't tell where two texts differ.
fn equal(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

fn host_name(host: &str) -> &str {
    let port = host.rfind(':').filter(|colon| !host[*colon..].contains(']'));
    port.map_or(host, |colon| &host[..colon])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_its_name_without_the_port() {
        let names = ["127.0.0.1:80", "localhost", "[::1]:80", "[::1]"].map(host_name);
        assert_eq!(names, ["127.0.0.1", "localhost", "[::1]", "[::1]"]);
        assert_eq!(host_name("evil.example:80"), "evil.example");
    }

    #[test]
    fn tokens_are_equal_only_when_they_are() {
        assert!(equal("abc", "abc"));
        assert!(!equal("abc", "abd") && !equal("abc", "ab") && !equal("", "a"));
    }
}
