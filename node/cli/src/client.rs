//! Talking to the device or hub that runs on a home folder, over loopback.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use node::authority;
use node::home::Home;
use serde_json::Value;
use ureq::http::{HeaderValue, Response};
use ureq::unversioned::multipart::Form;
use ureq::{Agent, RequestBuilder};

use crate::failure::Failure;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Which device.
#[derive(Args, Debug, Clone)]
pub(crate) struct HomeArg {
    /// The device's folder
    #[arg(long, env = "GREENLINE_HOME", value_name = "FOLDER", default_value_os_t = default_home(), global = false)]
    pub(crate) home: PathBuf,
}

/// Who asks, and why: the device notes both in its audit trail before it shows anything about a person.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct ActingArg {
    /// Who you are, for the audit trail; the device's alias if it isn't given
    #[arg(long, env = "GREENLINE_OPERATOR", value_name = "NAME")]
    pub(crate) operator: Option<String>,
    /// Why you ask, for the audit trail; the capture's purpose if it isn't given. Never name the person checked
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: Option<String>,
}

impl ActingArg {
    /// The same in an authority's folder.
    pub(crate) fn at_authority(&self) -> authority::Acting {
        let nobody = authority::Acting::default();
        authority::Acting {
            operator: self.operator.clone().unwrap_or(nobody.operator),
            why: self.why.clone().unwrap_or(nobody.why),
        }
    }

    fn headers(&self) -> Result<Vec<(&'static str, HeaderValue)>, Failure> {
        let given = [("x-greenline-operator", &self.operator), ("x-greenline-why", &self.why)];
        let header = |(name, text): (&'static str, &Option<String>)| {
            let value = text.as_ref().map(|text| HeaderValue::from_bytes(text.as_bytes()))?;
            Some(value.map(|value| (name, value)).map_err(|_| {
                Failure::new("--operator and --why are one line of text each").hint("leave line breaks out")
            }))
        };
        given.into_iter().filter_map(header).collect()
    }
}

/// The same where nothing is about a capture.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct OperatorArg {
    /// Who you are, for the audit trail; the device's alias, or `authority`, if it isn't given
    #[arg(long, env = "GREENLINE_OPERATOR", value_name = "NAME")]
    operator: Option<String>,
    /// Why you do it, for the audit trail. Never name the person that it is about
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

impl OperatorArg {
    pub(crate) fn acting(&self) -> ActingArg {
        ActingArg { operator: self.operator.clone(), why: self.why.clone() }
    }

    /// The same in an authority's folder.
    pub(crate) fn at_authority(&self) -> authority::Acting {
        self.acting().at_authority()
    }
}

fn default_home() -> PathBuf {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    data.unwrap_or_else(|| PathBuf::from(".")).join("greenline")
}

/// A connection to a running device.
pub(crate) struct Client {
    agent: Agent,
    url: String,
    token: String,
    acting: Vec<(&'static str, HeaderValue)>,
}

impl Client {
    /// To the device that runs on this folder.
    pub(crate) fn connect(home: &HomeArg) -> Result<Self, Failure> {
        let home = Home::open(&home.home)?;
        let url = home.announced()?.url;
        let agent = Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(5)))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .new_agent();
        Ok(Self { agent, url, token: home.token()?, acting: Vec::new() })
    }

    /// To what runs on this folder, on somebody's behalf; nothing, if nothing does. What was killed left its address there.
    pub(crate) fn running(home: &HomeArg, acting: &ActingArg) -> Result<Option<Self>, Failure> {
        if Home::open(&home.home)?.announced().is_err() {
            return Ok(None);
        }
        let client = Self::connect(home)?.acting(acting)?;
        Ok(client.get("/api/health").is_ok().then_some(client))
    }

    /// The same, on somebody's behalf.
    pub(crate) fn acting(self, acting: &ActingArg) -> Result<Self, Failure> {
        Ok(Self { acting: acting.headers()?, ..self })
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        let request = self.headed(self.agent.get(self.at(path)));
        answer(request.config().timeout_global(Some(Duration::from_secs(60))).build().call())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.headed(self.agent.post(self.at(path)));
        answer(request.config().timeout_global(Some(Duration::from_secs(60))).build().send_json(body))
    }

    pub(crate) fn post_form(&self, path: &str, form: Form<'_>) -> Result<Value, Failure> {
        let request = self.headed(self.agent.post(self.at(path)));
        answer(request.config().timeout_global(Some(Duration::from_secs(120))).build().send(form))
    }

    /// Server-sent events, as (name, data), until the device stops or `each` returns false.
    pub(crate) fn events(
        &self,
        path: &str,
        mut each: impl FnMut(&str, Value) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let sent = self.headed(self.agent.get(self.at(path))).call();
        let response = sent.map_err(|error| unreachable_device(&error))?;
        if !response.status().is_success() {
            return answer(Ok(response)).map(|_| ());
        }
        let mut name = String::new();
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let Ok(line) = line else { break };
            if let Some(event) = line.strip_prefix("event:") {
                event.trim().clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data:")
                && !each(&name, serde_json::from_str(data.trim()).unwrap_or(Value::Null))?
            {
                return Ok(());
            }
        }
        Err(Failure::new("the device has stopped, or was locked"))
    }

    /// Lines of text, as long as they come. Says nothing if they end too soon: their last one tells.
    pub(crate) fn lines(&self, path: &str, mut each: impl FnMut(&str) -> Result<(), Failure>) -> Result<(), Failure> {
        let sent = self.headed(self.agent.get(self.at(path))).call();
        let response = sent.map_err(|error| unreachable_device(&error))?;
        if !response.status().is_success() {
            return answer(Ok(response)).map(|_| ());
        }
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.map_err(|error| Failure::new(format!("the device's answer was cut short: {error}")))?;
            each(&line)?;
        }
        Ok(())
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn headed<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        let request = request.header("authorization", format!("Bearer {}", self.token));
        self.acting.iter().fold(request, |request, (name, value)| request.header(*name, value))
    }
}

/// A member of a query, escaped.
pub(crate) fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn answer(sent: Result<Response<ureq::Body>, ureq::Error>) -> Result<Value, Failure> {
    let response = sent.map_err(|error| unreachable_device(&error))?;
    let status = response.status();
    let body = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    let body = body.map_err(|error| Failure::new(format!("the device's answer was cut short: {error}")))?;
    let value: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(value);
    }
    let detail = value["detail"].as_str().or_else(|| value["title"].as_str());
    let failure = Failure::new(detail.map_or_else(|| format!("the device answered {status}"), str::to_owned));
    Err(match value["next"].as_str() {
        Some(next) => failure.hint(next),
        None => failure,
    })
}

fn unreachable_device(error: &ureq::Error) -> Failure {
    Failure::new(format!("the device doesn't answer: {error}"))
        .hint("it may have been killed: start it again with `greenline run` and the same --home")
}

/// Maps a missing announcement to a hint for hubs.
pub(crate) fn hub_hint(error: Failure) -> Failure {
    error.hint("start the hub with `greenline hub run`, in another window, with the same --home")
}

/// A capture's whole id from its beginning, if only one capture begins so.
pub(crate) fn resolve_capture(client: &Client, beginning: &str) -> Result<String, Failure> {
    if beginning.len() == 26 {
        return Ok(beginning.to_owned());
    }
    let page = client.get("/api/captures?limit=500&brief=true")?;
    let ids = page["captures"].as_array().into_iter().flatten().filter_map(|line| line["id"].as_str());
    let found: Vec<&str> = ids.filter(|id| !beginning.is_empty() && id.starts_with(beginning)).collect();
    match found.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(Failure::new(format!("no recent capture begins with `{beginning}`"))
            .hint("see `greenline list`, and give the id whole")),
        _ => {
            Err(Failure::new(format!("{} captures begin with `{beginning}`", found.len())).hint("give more of the id"))
        }
    }
}
