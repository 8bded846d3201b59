//! The HTTP API of a running device or hub, asked with its owner's token.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::unversioned::multipart::{Form, Part};

use crate::check::Check;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Where a process listens, and what it wants to see.
#[derive(Clone, Debug)]
pub struct Api {
    agent: Agent,
    url: String,
    token: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The body of an answer that must be one of success.
    ///
    /// # Panics
    /// If it isn't.
    #[must_use]
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "answered {}: {}", self.status, self.text);
        self.json()
    }
}

impl Api {
    /// Of the process that runs on a folder.
    ///
    /// # Panics
    /// If none says where it is.
    #[must_use]
    pub fn of(home: &Path) -> Self {
        let read = |name: &str| std::fs::read_to_string(home.join(name)).expect("a running process wrote this");
        let announced: Value = serde_json::from_str(&read("api.json")).expect("api.json is JSON");
        let url = announced["url"].as_str().expect("api.json has a url").to_owned();
        let agent = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .new_agent();
        Self { agent, url, token: read("api.token").trim().to_owned() }
    }

    /// Its base address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    ///
    /// # Panics
    /// If its base address isn't one of HTTP on an IP address.
    #[must_use]
    pub fn addr(&self) -> std::net::SocketAddr {
        self.url.strip_prefix("http://").and_then(|addr| addr.parse().ok()).expect("the API is at an address")
    }

    /// The same one, by way of another address.
    #[must_use]
    pub fn reached_at(&self, addr: std::net::SocketAddr) -> Self {
        Self { url: format!("http://{addr}"), ..self.clone() }
    }

    /// With another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Asks, and tells why there is no answer if there is none.
    pub fn try_get(&self, path: &str) -> Result<Answer, ureq::Error> {
        let request = self.agent.get(format!("{}{path}", self.url)).header("authorization", self.bearer());
        read(request.call()?)
    }

    /// Asks.
    ///
    /// # Panics
    /// If nobody answers.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).expect("the process answers")
    }

    /// Sends JSON.
    ///
    /// # Panics
    /// If nobody answers.
    #[must_use]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.agent.post(format!("{}{path}", self.url)).header("authorization", self.bearer());
        let answer = request.send_json(body).and_then(read);
        answer.expect("the process answers")
    }

    /// Sends a person's check, and tells why there is no answer if there is none.
    pub fn try_capture(&self, check: &Check) -> Result<Answer, ureq::Error> {
        let particulars = serde_json::json!(check.particulars).to_string();
        let priority = if check.urgent { "urgent" } else { "routine" };
        let form = Form::new().text("purpose", &check.purpose).text("priority", priority);
        let form = form.text("particulars", &particulars);
        let form = check
            .images
            .iter()
            .fold(form, |form, (field, bytes)| form.part(field, Part::bytes(bytes).file_name(field)));
        let request = self.agent.post(format!("{}/api/captures", self.url)).header("authorization", self.bearer());
        read(request.send(form)?)
    }

    /// Records a person's check; returns its id.
    ///
    /// # Panics
    /// If it isn't recorded.
    pub fn capture(&self, check: &Check) -> String {
        let recorded = self.try_capture(check).expect("the process answers").ok();
        recorded["id"].as_str().expect("a recorded capture has an id").to_owned()
    }

    /// A capture as this device knows it; nothing if it doesn't.
    #[must_use]
    pub fn show(&self, id: &str) -> Option<Value> {
        let answer = self.try_get(&format!("/api/captures/{id}")).ok()?;
        (answer.status == 200).then(|| answer.json())
    }

    /// The first verdict on a capture that this device can read.
    #[must_use]
    pub fn verdict(&self, id: &str) -> Option<Value> {
        let capture = self.show(id)?;
        let verdict = &capture["verdicts"][0];
        (verdict["readable"] == true).then(|| verdict.clone())
    }

    /// Sends a form, as the page does.
    ///
    /// # Panics
    /// If nobody answers.
    #[must_use]
    pub fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request =
            self.agent.post(format!("{}{path}", self.url)).header("authorization", format!("Bearer {}", self.token));
        let mut response = request.send_form(fields.iter().copied()).expect("the process answers");
        let text = response.body_mut().read_to_string().expect("the answer is text");
        Answer { status: response.status().as_u16(), text }
    }

    /// How the process is.
    ///
    /// # Panics
    /// If it doesn't say.
    #[must_use]
    pub fn status(&self) -> Value {
        self.get("/api/status").ok()
    }

    /// The ids of all captures that this device knows.
    ///
    /// # Panics
    /// If it doesn't say.
    #[must_use]
    pub fn captures(&self) -> Vec<String> {
        let (mut ids, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/api/captures?limit=500&after={after}")).ok();
            let lines = page["captures"].as_array().expect("a page has captures");
            ids.extend(lines.iter().filter_map(|line| line["id"].as_str()).map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut after),
                None => return ids,
            }
        }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

fn read(response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let status = response.status().as_u16();
    let text = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string()?;
    Ok(Answer { status, text })
}
