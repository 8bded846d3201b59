//! `greenline shift`: what the people of a site leave each other.

use clap::Args;
use serde_json::{Value, json};

use crate::args::parse_pair;
use crate::client::{ActingArg, Client, HomeArg};
use crate::failure::Failure;
use crate::output::{self, text, who};

/// Read, or add to, what the site's people leave each other: who is where, the hand-over, what is to be done. What is written on
/// different devices at the same time merges; nothing is lost.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ShiftArgs {
    #[command(flatten)]
    home: HomeArg,
    #[command(flatten)]
    acting: ActingArg,
    #[command(flatten)]
    change: Change,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  greenline shift                                              prints it
  greenline shift --handover 'gate 2 sticks, spare key with Ana'
  greenline shift --post 'gate 1=Ana, Ben' --task 'fetch batteries'      (for supervisors)
  greenline shift --done 6@cd11";

#[derive(Args, Debug)]
struct Change {
    /// Leave a word for the next shift
    #[arg(long = "handover", value_name = "TEXT")]
    handovers: Vec<String>,
    /// Say who is at a post, as POST=WHO; for supervisors
    #[arg(long = "post", value_name = "POST=WHO", value_parser = parse_pair)]
    posts: Vec<(String, String)>,
    /// Add something to be done; for supervisors
    #[arg(long = "task", value_name = "TEXT")]
    tasks: Vec<String>,
    /// Say that a task is done: its id, or the beginning of it
    #[arg(long = "done", value_name = "TASK")]
    done: Vec<String>,
}

pub(crate) fn run(args: &ShiftArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?.acting(&args.acting)?;
    let mut record = client.get("/api/site/record")?;
    let ops = args.change.ops(&record)?;
    if !ops.is_empty() {
        record = client.post("/api/site/edits", &json!({"ops": ops}))?;
    }
    if args.json {
        return output::json(&record);
    }
    let parts = [roster(&record), handover(&record), tasks(&record)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { output::say("Nothing is written yet.") } else { output::say(parts.join("\n\n")) }
}

impl Change {
    fn ops(&self, record: &Value) -> Result<Vec<Value>, Failure> {
        let mut ops = Vec::new();
        ops.extend(self.posts.iter().map(|(post, who)| json!({"op": "roster", "post": post, "text": who})));
        ops.extend(self.handovers.iter().map(|text| json!({"op": "handover", "text": text})));
        ops.extend(self.tasks.iter().map(|text| json!({"op": "task", "text": text})));
        for beginning in &self.done {
            ops.push(json!({"op": "task_done", "task": task_that_begins(record, beginning)?}));
        }
        Ok(ops)
    }
}

fn task_that_begins<'a>(record: &'a Value, beginning: &str) -> Result<&'a str, Failure> {
    let ids = items(&record["tasks"]).map(|task| text(task, "id"));
    let found: Vec<&str> = ids.filter(|id| !beginning.is_empty() && id.starts_with(beginning)).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::new(format!("no task begins with `{beginning}`")).hint("see `greenline shift`")),
        _ => Err(Failure::new(format!("{} tasks begin with `{beginning}`", found.len())).hint("give more of the id")),
    }
}

fn roster(record: &Value) -> String {
    let posts = record["roster"].as_object().into_iter().flatten();
    let lines = posts.flat_map(|(post, said)| items(said).map(move |said| format!("  {post}: {}", words(said))));
    part("Roster", lines)
}

fn handover(record: &Value) -> String {
    part("Hand-over", items(&record["handover"]).map(|said| format!("  {}", words(said))))
}

fn tasks(record: &Value) -> String {
    let line = |task: &Value| {
        let done = items(&task["done"]).map(who).collect::<Vec<_>>().join(", ");
        let state = if done.is_empty() { "to do".to_owned() } else { format!("done by {done}") };
        [output::short(text(task, "id")).to_owned(), words(task), state]
    };
    let lines: Vec<[String; 3]> = items(&record["tasks"]).map(line).collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!("Tasks\n{}", output::indent(&output::table(["id", "task", "state"], lines)))
    }
}

fn part(title: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { String::new() } else { format!("{title}\n{}", lines.join("\n")) }
}

fn words(said: &Value) -> String {
    let words = if said["text"].is_string() { text(said, "text") } else { text(said, "value") };
    format!("{words}  ({}, {})", who(said), output::time(said["at_ms"].as_u64()))
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
