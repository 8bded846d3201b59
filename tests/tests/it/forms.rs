//! Hostile forms, bodies, queries and headers at a running device's API: each is answered, none makes it panic, and it goes on.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;

use synth::hostile::bears;
use tests::{Check, Process, Site};

/// Changes of each sample.
const ROUNDS: usize = 40;

struct Post {
    _site: Site,
    ana: Process,
    capture: String,
}

fn post() -> Post {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer", "supervisor"]);
    let ana = site.device("ana").start();
    let capture = ana.api().capture(&Check::with_picture(1));
    Post { _site: site, ana, capture }
}

impl Post {
    /// Sends a request and returns the status of its answer.
    fn ask(&self, method: &str, path: &str, head: &str, body: &[u8]) -> Option<u16> {
        let token = std::fs::read_to_string(self.ana.home().join("api.token")).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
             content-length: {}\r\n{head}\r\n",
            token.trim(),
            body.len()
        );
        let mut stream = TcpStream::connect(self.ana.api().addr()).unwrap();
        // It may answer, and hang up, before it has read all.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).split_whitespace().nth(1)?.parse().ok()
    }

    /// Tries bodies of one sort.
    fn bears(&self, what: &str, path: &str, kind: &str, samples: &[&str]) {
        let samples: Vec<_> = (0..).zip(samples).map(|(at, body): (u8, _)| (at, body.as_bytes().to_vec())).collect();
        let head = format!("content-type: {kind}\r\n");
        bears(what, &samples, ROUNDS, |body| answered(self.ask("POST", path, &head, body)));
    }

    /// Tries what stands in an address or in a header, put there by `request`.
    fn bears_in_head(&self, what: &str, samples: &[&str], request: impl Fn(&str) -> (String, String)) {
        let samples: Vec<_> = (0..).zip(samples).map(|(at, text): (u8, _)| (at, text.as_bytes().to_vec())).collect();
        bears(what, &samples, ROUNDS, |data| {
            let (path, head) = request(&escaped(data));
            answered(self.ask("GET", &path, &head, b""));
        });
    }
}

/// There is an answer, and it doesn't say that the device failed.
fn answered(status: Option<u16>) {
    assert!(status.is_some_and(|status| status < 500), "{status:?}");
}

/// As it may stand in an address, so that what reads it gets to see every byte.
fn escaped(data: &[u8]) -> String {
    let mut text = String::new();
    for byte in data {
        let plain = byte.is_ascii_alphanumeric() || b"=&-_.%+".contains(byte);
        let _ = if plain { write!(text, "{}", char::from(*byte)) } else { write!(text, "%{byte:02x}") };
    }
    text
}

const FORM: &str = "--B\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nexercise\r\n--B\r\ncontent-disposition: \
                    form-data; name=\"particulars\"\r\n\r\n{\"family_name\": \"Test\"}\r\n--B\r\ncontent-disposition: form-data; \
                    name=\"finger-2\"; filename=\"2.pgm\"\r\n\r\nP5 1 1 255 x\r\n--B--\r\n";

#[test]
fn no_form_no_body_and_no_query_makes_a_device_panic() {
    let post = post();
    let of_capture = |what: &str| format!("/api/captures/{}/{what}", post.capture);
    let device = post.ana.api().status()["device"]["id"].as_str().unwrap().to_owned();
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    post.bears("forms of captures", "/api/captures", "multipart/form-data; boundary=B", &[FORM]);
    let edits = [r#"[{"op":"note","text":"seen"},{"op":"correct","field":"family_name","value":"Test"}]"#];
    post.bears("edits of captures", &of_capture("edits"), json, &edits);
    post.bears("edits of the site", "/api/site/edits", json, &[r#"[{"op":"roster","post":"gate","text":"Ana"}]"#]);
    post.bears("reviews", &of_capture("reviews"), json, &[r#"{"outcome":"undecided","note":"blurred"}"#]);
    post.bears("withdrawals", &of_capture("withdraw"), json, &[r#"{"reason":"sooner"}"#]);
    post.bears("votes", &format!("/api/members/{device}/votes"), json, &[r#"{"cause":"mislaid","before_ms":1}"#]);
    post.bears("orders", "/api/orders", json, &[r#"{"order":"greenline-order:abcdefgh"}"#]);
    post.bears("addresses of peers", "/api/peers", json, &[r#"{"address":"[::1]:9"}"#]);
    post.bears(
        "openers",
        "/api/unlock",
        json,
        &[r#"{"passphrase":"a few words"}"#, r#"{"key_file":"greenline key file 1\n"}"#],
    );
    post.bears("forms that unlock", "/unlock", form, &["passphrase=a+few+words"]);
    post.bears("forms that sign in", "/session", form, &["token=abcdefgh"]);

    let lists = ["stage=recorded&from_ms=1&to_ms=2&limit=3&brief=true", "after=abcdefgh&device=abcdefgh"];
    post.bears_in_head("queries of lists", &lists, |text| (format!("/api/captures?{text}"), String::new()));
    let filters = ["from_ms=1&to_ms=2&role=hub&operator=ana", "verb=erasure&capture=abc&device=def"];
    post.bears_in_head("queries of exports", &filters, |text| (format!("/api/audit/export?{text}"), String::new()));
    let charges = ["cause=lost&before_ms=1"];
    let charge = |text: &str| (format!("/api/members/{device}/charge?{text}"), String::new());
    post.bears_in_head("queries of charges", &charges, charge);
    let ids = [post.capture.as_str()];
    post.bears_in_head("ids in addresses", &ids, |text| (format!("/api/captures/{text}"), String::new()));
    let header =
        |text: &str| ("/api/captures".into(), format!("x-greenline-operator: {text}\r\nx-greenline-why: {text}\r\n"));
    post.bears_in_head("who asks, and why", &["Ana Kovac"], header);

    assert!(post.ana.api().show(&post.capture).is_some(), "it goes on");
    let logged = post.ana.logged();
    assert!(!logged.contains("panicked"), "{logged}");
}
