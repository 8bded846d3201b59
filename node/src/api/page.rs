//! `/`: a plain page that says how this device is. Works without scripts and looks after itself.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use crdt::replica::Query;
use gateway::driver::now_ms;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use super::auth::is_owner;
use super::trail::Acting;
use super::{App, Problem, captures, peers, status};

/// Captures shown.
const LINES: usize = 25;
/// Seconds between two looks.
const REFRESH_S: u32 = 5;

pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

pub(super) async fn page(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !is_owner(&app.token, &headers) {
        return Ok(sign_in(query.as_deref() == Some("wrong")).into_response());
    }
    // The page looks again by itself, so it doesn't show that its officer is there.
    if app.locker.told().locked {
        return Ok((StatusCode::LOCKED, locked(query.as_deref())).into_response());
    }
    let shared = app.shared.clone();
    let (status, peers, lines) = app
        .driver
        .call(move |engine, now_ms| {
            let query = Query { limit: LINES, ..Query::default() };
            let (found, _) = engine.captures(now_ms, &query)?;
            let lines: Result<Vec<Value>, _> =
                found.iter().map(|(id, view, stages)| captures::line(engine, *id, view, stages)).collect();
            let (status, peers) = (status::describe(engine, now_ms, &shared), peers::peers(engine, now_ms, &shared));
            Ok::<_, crdt::store::StoreError>((status, peers, lines?))
        })
        .await??;
    app.note_listed(&Acting::default(), &lines).await?;
    Ok(overview(&status, &peers, &lines).into_response())
}

fn frame(title: &str, refresh: bool, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if refresh { meta http-equiv="refresh" content=(REFRESH_S); }
                title { (title) }
                link rel="stylesheet" href="/style.css";
            }
            body { (body) }
        }
    }
}

fn sign_in(wrong: bool) -> Markup {
    let body = html! {
        main.narrow {
            h1 { "Greenline" }
            p { "Sign in with the token in the file " code { "api.token" } " in this device's folder." }
            @if wrong { p.alert role="alert" { "That isn't this device's token." } }
            form method="post" action="/session" {
                label for="token" { "Token" }
                input id="token" name="token" type="password" autocomplete="current-password" required autofocus;
                button type="submit" { "Sign in" }
            }
        }
    };
    frame("Greenline: sign in", false, &body)
}

fn locked(query: Option<&str>) -> Markup {
    let body = html! {
        main.narrow {
            h1 { "Locked" }
            p { "This device goes on carrying and syncing. To use it, unlock it here or with " code { "greenline unlock" } "." }
            @if query == Some("wrong") { p.alert role="alert" { "That doesn't open this device's keys." } }
            @if query == Some("wait") { p.alert role="alert" { "After a wrong try, the next one waits up to a minute." } }
            form method="post" action="/unlock" {
                label for="passphrase" { "Passphrase" }
                input id="passphrase" name="passphrase" type="password" autocomplete="current-password" required autofocus;
                button type="submit" { "Unlock" }
            }
        }
    };
    frame("Greenline: locked", false, &body)
}

fn overview(status: &Value, peers: &Value, lines: &[Value]) -> Markup {
    let alias = text(&status["device"], "alias");
    let body = html! {
        header {
            h1 { (alias) }
            p { (text(&status["site"], "name")) " · " (roles(&status["device"])) }
            p.badge.good[status["gateway"] == true] { (gateway(status)) }
        }
        main {
            section.figures aria-label="In short" {
                (figure(&status["captures"], "captures"))
                (figure(&status["open"], "waiting for a hub"))
                (figure(&status["missing"]["captures"], "with images to fetch"))
                (figure(&status["peers"], "peers"))
            }
            (alarms(status))
            section {
                h2 { "Captures" }
                @if lines.is_empty() { p.quiet { "None yet." } } @else { (captures_table(lines)) }
            }
            section {
                h2 { "Peers" }
                (peers_table(peers))
            }
            (notes(status))
        }
        footer { p.quiet { "As of " (clock(Some(now_ms()))) ", looks again every " (REFRESH_S) " s." } }
    };
    frame(&format!("{alias} · Greenline"), true, &body)
}

fn figure(value: &Value, what: &str) -> Markup {
    html! { div.figure { strong { (value.as_u64().unwrap_or(0)) } span { (what) } } }
}

fn alarms(status: &Value) -> Markup {
    let device = &status["device"];
    html! {
        @if device["renewal_due"] == true {
            p.alert role="alert" {
                "This device's certificate ends on " (clock(device["not_after_ms"].as_u64()))
                ". Ask the supervisor for a renewal: without one it can't capture, and nobody admits it."
            }
        }
        @if !status["clock"].is_null() {
            p.alert role="alert" { (sentence(text(&status["clock"], "words"))) }
        }
        @for faulty in items(&status["refused"]) {
            p.alert role="alert" { (text(faulty, "alias")) ": " (text(faulty, "words")) "." }
        }
        @for revoked in items(&status["revoked"]) {
            p.quiet { (text(revoked, "alias")) " is revoked: what it writes counts nowhere." }
        }
        @for frozen in items(&status["frozen"]) {
            p.alert role="alert" {
                (text(frozen, "alias")) " wrote two histories from entry " (frozen["from_seq"].as_u64().unwrap_or(0))
                " on: it was cloned, or its key was stolen. Nothing it wrote since counts."
            }
        }
    }
}

fn captures_table(lines: &[Value]) -> Markup {
    html! {
        table {
            thead { tr { th { "Capture" } th { "When" } th { "By" } th { "Stage" } th { "Copies" } th { "Verdict" } } }
            tbody {
                @for line in lines {
                    tr {
                        td data-label="Capture" {
                            code { (text(line, "id").get(..8).unwrap_or_default()) }
                            @if line["priority"] == "urgent" { " " span.badge.warn { "urgent" } }
                        }
                        td data-label="When" { (clock(line["at_ms"].as_u64())) }
                        td data-label="By" { (text(line, "alias")) }
                        td data-label="Stage" { (text(line, "stage").replace('_', " ")) }
                        td data-label="Copies" { (line["copies"].as_u64().unwrap_or(0)) }
                        td data-label="Verdict" { @if is_gone(line) { span.quiet { "gone" } } @else { (verdict(&line["verdict"])) } }
                    }
                }
            }
        }
    }
}

/// Whether nothing but its trail is left of a capture.
fn is_gone(line: &Value) -> bool {
    matches!(text(line, "stage"), "erased" | "withdrawn")
}

fn verdict(verdict: &Value) -> Markup {
    let value = text(verdict, "value").replace('_', " ");
    html! {
        @if verdict.is_null() { span.quiet { "none yet" } }
        @else if verdict["readable"] != true { span.quiet { "sealed to others" } }
        @else if verdict["locked"] == true {
            span.badge.warn { (value) }
            @if verdict["standing"] == "disputed" { " do not act: examiners disagree" }
            @else { " do not act: awaiting examiner" }
        }
        @else if verdict["standing"].is_string() { (value) ", " (text(verdict, "standing")) }
        @else { (value) }
    }
}

fn peers_table(peers: &Value) -> Markup {
    html! {
        @if items(&peers["connected"]).next().is_none() { p.quiet { "Nobody is in reach." } } @else {
            table {
                thead { tr { th { "Device" } th { "Link" } th { "Address" } th { "State" } th { "Heard" } } }
                tbody {
                    @for peer in items(&peers["connected"]) {
                        tr {
                            td data-label="Device" { (text(peer, "alias")) }
                            td data-label="Link" { (text(peer, "kind")) }
                            td data-label="Address" { (text(peer, "address")) }
                            td data-label="State" { @if peer["admitted"] == true { "syncing" } @else { (text(peer, "phase")) } }
                            td data-label="Heard" { (clock(peer["heard_ms"].as_u64())) }
                        }
                    }
                }
            }
        }
    }
}

fn notes(status: &Value) -> Markup {
    html! {
        @if items(&status["notes"]).next().is_some() {
            section {
                h2 { "Lately" }
                ul {
                    @for note in items(&status["notes"]).take(8) {
                        li {
                            (clock(note["at_ms"].as_u64())) " " (text(note, "what"))
                            @if note["times"].as_u64().unwrap_or(1) > 1 { span.quiet { " (" (note["times"].as_u64().unwrap_or(1)) " times)" } }
                        }
                    }
                }
            }
        }
    }
}

fn gateway(status: &Value) -> String {
    let uplink = &status["uplink"];
    if status["gateway"] == true {
        "gateway: the hub answers".into()
    } else if uplink.is_null() {
        "no way out configured".into()
    } else {
        format!("no way out: {}", text(uplink, "detail"))
    }
}

fn roles(device: &Value) -> String {
    let roles: Vec<&str> = items(&device["roles"]).filter_map(Value::as_str).collect();
    if roles.is_empty() { "carrier".into() } else { roles.join(", ") }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// What stands in a list elsewhere, as a sentence of its own.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(letters).chain(['.']).collect()
}

fn clock(ms: Option<u64>) -> String {
    let time = ms.and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
    time.map_or("-".into(), |time| time.to_zoned(TimeZone::system()).strftime("%d %b %H:%M:%S").to_string())
}
