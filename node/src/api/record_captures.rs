//! `POST /api/captures`: a person's check, as a form with images.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use crdt::blob::BLOB_BYTES_MAX;
use crdt::redacted::Redacted;
use crdt::seal::Seed;
use crdt::statement::{CaptureDraft, IMAGES_MAX, Image, Priority, Shows};
use gateway::driver::now_ms;
use serde_json::{Value, json};

use super::captures::write;
use super::{App, Problem};

/// Longest text field of the form, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// What sealing adds to an image.
const SEAL_BYTES: usize = 16;
const FORM: &str = "send a multipart form with purpose, priority, particulars (a JSON object) and images named finger-1 to \
                    finger-10 and face";

pub(super) async fn create(State(app): State<App>, request: Request) -> Result<(StatusCode, Json<Value>), Problem> {
    let form = Multipart::from_request(request, &app).await;
    let form = form.map_err(|error| Problem::bad_request(error.body_text(), FORM))?;
    let draft = read(form).await?;
    let seed = seed()?;
    let written =
        write(&app, move |engine, now_ms| engine.write(now_ms, |replica| replica.capture_new(now_ms, seed, &draft)))
            .await?;
    let id = written.about.capture().map(|id| id.to_string());
    Ok((StatusCode::CREATED, Json(json!({"id": id, "stage": "recorded", "at_ms": now_ms()}))))
}

/// Secret random bytes for one operation of the core.
pub(super) fn seed() -> Result<Seed, Problem> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| {
        let detail = format!("the system gives no random numbers: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail, "restart the machine")
    })?;
    Ok(seed)
}

async fn read(mut form: Multipart) -> Result<CaptureDraft, Problem> {
    let mut draft = CaptureDraft::default();
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(|error| broken(&error))?;
        match name.as_str() {
            "purpose" => draft.purpose = text(&name, &bytes)?,
            "priority" => draft.priority = priority(&text(&name, &bytes)?)?,
            "particulars" => draft.particulars = particulars(&bytes)?,
            _ => {
                let shows = shows(&name)?;
                check_image(&name, &bytes)?;
                if draft.images.len() == IMAGES_MAX {
                    return Err(Problem::bad_request(
                        format!("a capture has at most {IMAGES_MAX} images"),
                        "leave some out",
                    ));
                }
                draft.images.push(Image { shows, bytes: bytes.to_vec().into() });
            }
        }
    }
    Ok(draft)
}

fn broken(error: &MultipartError) -> Problem {
    Problem::new(error.status(), error.body_text(), FORM)
}

fn text(name: &str, bytes: &[u8]) -> Result<String, Problem> {
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(Problem::bad_request(format!("{name} is too long"), "shorten it"));
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| Problem::bad_request(format!("{name} isn't UTF-8 text"), FORM))
}

fn priority(word: &str) -> Result<Priority, Problem> {
    match word {
        "" | "routine" => Ok(Priority::Routine),
        "urgent" => Ok(Priority::Urgent),
        _ => Err(Problem::bad_request("no such priority", "use routine or urgent")),
    }
}

fn particulars(bytes: &[u8]) -> Result<BTreeMap<String, Redacted<String>>, Problem> {
    let text = text("particulars", bytes)?;
    if text.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    // What is wrong with it isn't repeated: it may be somebody's name.
    let fields: Result<BTreeMap<String, String>, _> = serde_json::from_str(&text);
    let fields = fields.map_err(|_| Problem::bad_request("particulars isn't a JSON object of texts", FORM))?;
    Ok(fields.into_iter().map(|(name, value)| (name, value.into())).collect())
}

fn shows(name: &str) -> Result<Shows, Problem> {
    let finger = name.strip_prefix("finger-").and_then(|number| number.parse().ok());
    match (name, finger) {
        ("face", _) => Ok(Shows::Face),
        (_, Some(number @ 1..=10)) => Ok(Shows::Finger(number)),
        _ => Err(Problem::bad_request("the form has a field that isn't known", FORM)),
    }
}

/// Takes PNG, JPEG and PGM: what the hub can read.
fn check_image(name: &str, bytes: &[u8]) -> Result<(), Problem> {
    if bytes.is_empty() || bytes.len() > BLOB_BYTES_MAX - SEAL_BYTES {
        let detail = format!("{name} has {} bytes; an image has 1 byte to 16 MiB", bytes.len());
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail, "send a smaller image"));
    }
    let known = [b"\x89PNG\r\n\x1a\n".as_slice(), b"\xff\xd8\xff", b"P5"];
    if known.iter().any(|magic| bytes.starts_with(magic)) {
        return Ok(());
    }
    let detail = format!("{name} is no PNG, JPEG or PGM image");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail, "save the image as PNG and send it again"))
}
