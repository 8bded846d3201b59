//! What the API notes in the device's trail, before it shows anything about a person.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts as RequestParts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use crdt::audit::{Act, Parts, Record, Refused};
use crdt::ids::CaptureId;
use gateway::driver::now_ms;
use gateway::trail::TrailError;
use serde_json::Value;

use super::{App, Problem};

const OPERATOR: &str = "x-greenline-operator";
const WHY: &str = "x-greenline-why";

/// Who asks, and why, in their own words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acting {
    operator: Option<String>,
    why: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut RequestParts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

impl Acting {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let text = |name: &str| {
            let value = headers.get(name).map(|value| String::from_utf8(value.as_bytes().to_vec()));
            value.transpose().map_err(|_| {
                Problem::bad_request(
                    format!("the header {name} isn't text in UTF-8"),
                    "send it in UTF-8, or leave it out",
                )
            })
        };
        let shown = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let acting = Self { operator: shown(text(OPERATOR)?), why: shown(text(WHY)?) };
        acting
            .record("", Act::Listed, Vec::new(), None)
            .check()
            .map_err(|error| TrailError::from(error).into())
            .map(|()| acting)
    }

    /// A record of what somebody does.
    pub(crate) fn record(&self, alias: &str, act: Act, captures: Vec<CaptureId>, purpose: Option<&str>) -> Record {
        Record {
            at_ms: now_ms(),
            operator: self.operator.clone().unwrap_or_else(|| alias.to_owned()),
            act,
            captures,
            why: self.why.clone().or_else(|| purpose.map(str::to_owned)).unwrap_or_default(),
            times: 1,
        }
    }
}

impl App {
    /// Notes something that somebody is about to do. It may be done once this returns.
    pub(super) async fn note(
        &self,
        acting: &Acting,
        act: Act,
        captures: Vec<CaptureId>,
        purpose: Option<&str>,
    ) -> Result<(), Problem> {
        Ok(self.trail.note(vec![acting.record(&self.alias, act, captures, purpose)]).await?)
    }

    /// Notes what is about to be shown of a capture, if anything is that says something of the person.
    pub(super) async fn note_shown(&self, acting: &Acting, id: CaptureId, shown: &Value) -> Result<(), Problem> {
        let parts = parts_shown(shown);
        if parts.is_empty() {
            return Ok(());
        }
        self.note(acting, Act::Shown(parts), vec![id], shown["purpose"].as_str()).await
    }

    /// Notes the captures of a list whose verdicts are about to be shown.
    pub(super) async fn note_listed(&self, acting: &Acting, lines: &[Value]) -> Result<(), Problem> {
        let tell = lines.iter().filter(|line| line["verdict"]["readable"] == true);
        let captures: Vec<CaptureId> = tell.filter_map(|line| line["id"].as_str()?.parse().ok()).collect();
        if captures.is_empty() {
            return Ok(());
        }
        self.note(acting, Act::Listed, captures, None).await
    }

    /// Notes what isn't shown to anybody, and would be so anyway: if it can't be written, the log says so.
    pub(super) async fn note_anyway(&self, acting: &Acting, act: Act, captures: Vec<CaptureId>) {
        let record =
            Record { operator: acting.operator.clone().unwrap_or_default(), ..acting.record("", act, captures, None) };
        if let Err(error) = self.trail.note(vec![record]).await {
            tracing::error!(%error, "not noted in the audit trail");
        }
    }
}

/// What of a capture's JSON says something about the person.
fn parts_shown(shown: &Value) -> Parts {
    let any =
        |member: &str, told: fn(&Value) -> bool| shown[member].as_array().is_some_and(|list| list.iter().any(told));
    let readable: fn(&Value) -> bool = |it| it["readable"] == true;
    Parts::default()
        .and(Parts::PARTICULARS, shown["particulars"].as_object().is_some_and(|fields| !fields.is_empty()))
        .and(Parts::IMAGES, any("images", |image| image["shows"].is_string()))
        .and(Parts::VERDICTS, any("verdicts", readable))
        .and(Parts::REVIEWS, any("reviews", readable))
        .and(Parts::RECORD, !shown["record"].is_null())
}

/// Notes requests that are refused. Where no token was shown, who asked and for what may be anything: it isn't noted.
pub(super) async fn note_refusals(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let acting = Acting::of(request.headers()).unwrap_or_default();
    let response = next.run(request).await;
    let refused = match response.status() {
        StatusCode::UNAUTHORIZED => Refused::NoToken,
        StatusCode::LOCKED if path != "/" => Refused::Locked,
        // What doesn't unlock the device is noted where that is tried.
        StatusCode::FORBIDDEN if path != "/api/unlock" => Refused::NotAllowed,
        _ => return response,
    };
    let captures = match refused {
        Refused::NoToken => Vec::new(),
        _ => path.split('/').filter_map(|part| part.parse().ok()).collect(),
    };
    let acting = if refused == Refused::NoToken { Acting::default() } else { acting };
    app.note_anyway(&acting, Act::Refused(refused), captures).await;
    response
}

impl From<TrailError> for Problem {
    fn from(error: TrailError) -> Self {
        let status = match error {
            TrailError::Full => StatusCode::INSUFFICIENT_STORAGE,
            TrailError::Record(_) => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string(), error.hint())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_sealed_to_others_is_not_shown() {
        let sealed = json!({
            "particulars": null, "images": [{"shows": null}], "verdicts": [{"readable": false}], "reviews": [],
            "record": null,
        });
        assert!(parts_shown(&sealed).is_empty());
        let verdict = json!({"particulars": {}, "verdicts": [{"readable": false}, {"readable": true}]});
        assert_eq!(parts_shown(&verdict), Parts::VERDICTS);
        let all = json!({
            "particulars": {"a": "b"}, "images": [{"shows": "face"}], "verdicts": [{"readable": true}],
            "reviews": [{"readable": true}], "record": {},
        });
        assert_eq!(parts_shown(&all), Parts(31));
    }

    #[test]
    fn who_and_why_are_text_of_any_script_and_bounded() {
        let of = |operator: &[u8], why: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(OPERATOR, HeaderValue::from_bytes(operator).unwrap());
            headers.insert(WHY, HeaderValue::from_bytes(why.as_bytes()).unwrap());
            Acting::of(&headers)
        };
        let acting = of(" Ana Kovač ".as_bytes(), "").unwrap();
        let record = acting.record("ana", Act::Listed, vec![], Some("exercise"));
        assert_eq!((record.operator.as_str(), record.why.as_str()), ("Ana Kovač", "exercise"));
        assert_eq!(Acting::default().record("ana", Act::Listed, vec![], None).operator, "ana");
        assert!(of(&[0xff], "").is_err() && of(&[b'a'; 65], "").is_err() && of(b"a", &"w".repeat(201)).is_err());
    }
}
