//! What devices tell as it happens: their event streams, all read by one process, by one clock.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use serde_json::Value;
use tests::Process;

/// News that wait for their reader; all of a run fit.
const NEWS_MAX: usize = 65_536;

/// A device has said that a capture is new or changed, or that a device is revoked.
pub(crate) struct News {
    /// Which of the watched devices.
    pub(crate) device: usize,
    pub(crate) at: Instant,
    /// The capture's id, or that of the device that is revoked.
    pub(crate) about: String,
}

/// Follows devices. The streams end with their processes.
pub(crate) fn watch(devices: &[&Process]) -> Receiver<News> {
    let (tell, told) = sync_channel(NEWS_MAX);
    for (number, device) in devices.iter().enumerate() {
        let (lines, tell) = (open(device), tell.clone());
        std::thread::spawn(move || follow(number, lines, &tell));
    }
    told
}

/// Returns when the device has begun to answer: from then on nothing is missed.
fn open(device: &Process) -> BufReader<TcpStream> {
    let host = device.api().url().trim_start_matches("http://");
    let token = std::fs::read_to_string(device.home().join("api.token")).unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let request = format!("GET /api/events HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\r\n", token.trim());
    stream.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream);
    let mut status = String::new();
    lines.read_line(&mut status).unwrap();
    assert!(status.starts_with("HTTP/1.1 200"), "{} answers {status}", device.name());
    lines
}

/// Each event is a chunk of its own, so that its lines are whole.
fn follow(device: usize, lines: BufReader<TcpStream>, tell: &SyncSender<News>) {
    let mut event = String::new();
    for line in lines.lines().map_while(Result::ok) {
        let at = Instant::now();
        if let Some(name) = line.strip_prefix("event:") {
            name.trim().clone_into(&mut event);
        }
        let data = line.strip_prefix("data:").and_then(|data| serde_json::from_str::<Value>(data.trim()).ok());
        let member = if event == "revoked" { "device" } else { "id" };
        if let Some(about) = data.as_ref().and_then(|data| data[member].as_str()) {
            let news = News { device, at, about: about.to_owned() };
            if tell.send(news).is_err() {
                return;
            }
        }
    }
}
