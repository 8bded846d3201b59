//! What `greenline audit` prints.

use std::collections::BTreeMap;

use crdt::audit::Verb;
use node::audit::line::Line;
use node::audit::tally::{Delays, Fates, STEPS};
use node::audit::{Counts, Summary, What};
use serde_json::{Value, json};

use crate::output;

/// Most captures named in a row; the rest is counted.
const NAMED_MAX: usize = 2;

/// The latest things that were done, of all logs and the device's trail together.
pub(crate) struct Latest {
    limit: usize,
    count: u64,
    rows: BTreeMap<(u64, u64), Line>,
}

impl Latest {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, count: 0, rows: BTreeMap::new() }
    }

    /// Keeps a line if it is of something that was done, and late enough.
    pub(crate) fn add(&mut self, line: &Line) {
        let at_ms = match line {
            Line::Entry(it) => it.at_ms,
            Line::Record(it) => it.at_ms,
            _ => return,
        };
        self.count += 1;
        self.rows.insert((at_ms, self.count), line.clone());
        if self.rows.len() > self.limit {
            self.rows.pop_first();
        }
    }

    pub(crate) fn json(&self) -> Value {
        let done = self.rows.values().map(|line| {
            let mut done = json!(line);
            // What proves it is in the export.
            ["line", "header", "body", "record"]
                .iter()
                .for_each(|member| drop(done.as_object_mut().map(|it| it.remove(*member))));
            done
        });
        json!({"done": done.collect::<Vec<_>>()})
    }

    pub(crate) fn table(&self, summary: &Summary) -> String {
        let rows = self.rows.values().filter_map(row);
        let table = output::table(["when", "by", "verb", "what", "capture", "why"], rows);
        let earlier = self.count - self.rows.len() as u64;
        let mut lines = vec![table];
        if earlier > 0 {
            lines.push(format!("\n{earlier} earlier ones: add --limit, or --from and --to"));
        }
        let left_out = summary.entries.left_out + summary.records.left_out;
        if left_out > 0 {
            lines.push(format!("\n{left_out} left out"));
        }
        lines.join("\n")
    }
}

fn row(line: &Line) -> Option<[String; 6]> {
    let (at_ms, by, verb, did, captures, why) = match line {
        Line::Entry(it) => (it.at_ms, &it.by, &it.verb, it.did.clone(), it.capture.as_slice(), String::new()),
        Line::Record(it) => {
            let did = if it.times > 1 { format!("{} ({} times)", it.did, it.times) } else { it.did.clone() };
            (it.at_ms, &it.by, &it.verb, did, it.captures.as_slice(), it.why.clone())
        }
        _ => return None,
    };
    let by = if by.is_empty() { "-".to_owned() } else { plain(by) };
    Some([output::time(Some(at_ms)), by, verb.clone(), did, named(captures), plain(&why)])
}

/// Text out of a file that anybody may have made, for a terminal: whoever wrote it doesn't get to move the cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn named(captures: &[String]) -> String {
    let named: Vec<&str> = captures.iter().take(NAMED_MAX).map(|id| output::short(id)).collect();
    match captures.len() {
        0 => "-".into(),
        count if count > NAMED_MAX => format!("{} and {} more", named.join(" "), count - NAMED_MAX),
        _ => named.join(" "),
    }
}

/// What an export says and holds, in a few lines.
pub(crate) fn summary(summary: &Summary) -> String {
    let what = if summary.what == What::Pack { "proof pack" } else { "audit trail" };
    let of = if summary.by_authority { "the authority".into() } else { plain(&summary.alias) };
    let verbs: Vec<String> = summary.verbs.iter().map(|(verb, count)| format!("{} {count}", verb.word())).collect();
    let span = summary
        .span_ms
        .map_or("-".into(), |(first, last)| format!("{} to {}", output::time(Some(first)), output::time(Some(last))));
    let mut rows = vec![
        [
            "what".to_owned(),
            format!("{what} of {of} at {}, written {}", plain(&summary.name), output::time(Some(summary.at_ms))),
        ],
        ["site".to_owned(), summary.site.to_string()],
        ["device".to_owned(), format!("{} ({})", summary.device, roles(summary))],
    ];
    if !summary.by_authority {
        rows.push([
            "entries".to_owned(),
            format!(
                "{}, {} left out; {} devices, {} logs",
                summary.entries.shown, summary.entries.left_out, summary.devices, summary.logs
            ),
        ]);
    }
    if summary.what == What::Trail {
        rows.push([
            "records".to_owned(),
            format!(
                "{}, {} left out, {} gone after their time",
                summary.records.shown, summary.records.left_out, summary.dropped
            ),
        ]);
    }
    rows.push(["from".to_owned(), span]);
    rows.push(["done".to_owned(), if verbs.is_empty() { "-".into() } else { verbs.join(", ") }]);
    rows.extend(remarks(summary).into_iter().map(|remark| ["note".to_owned(), remark]));
    let lines = rows.iter().map(|[name, value]| format!("  {name:<8} {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What isn't wrong, and should be looked at.
fn remarks(summary: &Summary) -> Vec<String> {
    let mut remarks = Vec::new();
    if summary.without_effect > 0 {
        remarks.push(format!(
            "{} entries by devices that weren't allowed to write them; they have no effect",
            summary.without_effect
        ));
    }
    if summary.cut_bytes > 0 {
        remarks.push(format!(
            "{} bytes of the trail didn't read once, and were cut off: a power cut, or somebody changed them",
            summary.cut_bytes
        ));
    }
    remarks
}

fn roles(summary: &Summary) -> String {
    if summary.by_authority {
        return "the site's authority".into();
    }
    let names = summary.roles.names();
    if names.is_empty() { "carrier".into() } else { names.join(", ") }
}

/// The same for programs.
pub(crate) fn json(summary: &Summary) -> Value {
    let verbs: BTreeMap<&str, u64> = summary.verbs.iter().map(|(verb, count)| (Verb::word(*verb), *count)).collect();
    let shown = |it: node::audit::verify::Shown| json!({"shown": it.shown, "left_out": it.left_out});
    json!({
        "what": summary.what,
        "site": summary.site.to_string(),
        "name": summary.name,
        "device": summary.device.to_string(),
        "alias": summary.alias,
        "by_authority": summary.by_authority,
        "roles": summary.roles.names(),
        "at_ms": summary.at_ms,
        "filter": summary.filter,
        "logs": summary.logs,
        "devices": summary.devices,
        "entries": shown(summary.entries),
        "without_effect": summary.without_effect,
        "records": shown(summary.records),
        "dropped": summary.dropped,
        "cut_bytes": summary.cut_bytes,
        "verbs": verbs,
        "from_ms": summary.span_ms.map(|(first, _)| first),
        "to_ms": summary.span_ms.map(|(_, last)| last),
        "counts": summary.counts,
    })
}

/// What became of captures, on one page.
pub(crate) fn proof(summary: &Summary) -> String {
    let Some(counts) = &summary.counts else { return String::new() };
    let fates = output::table(FATES, fates(counts));
    let erased = output::table(ERASED, erased(counts));
    let delays = output::table(DELAYS, delays(counts));
    format!("{}\n\n{fates}\n\nErased\n{erased}\n\nHow long it took\n{delays}", title(summary))
}

/// The same in Markdown.
pub(crate) fn markdown(summary: &Summary) -> String {
    let Some(counts) = &summary.counts else { return String::new() };
    let fates = markdown_table(FATES, fates(counts));
    let erased = markdown_table(ERASED, erased(counts));
    let delays = markdown_table(DELAYS, delays(counts));
    format!(
        "# {}\n\nSite `{}`, written by `{}`.\n\n{fates}\n\n## Erased\n\n{erased}\n\n## How long it took\n\n{delays}",
        title(summary),
        summary.site,
        summary.device
    )
}

const FATES: [&str; 8] = ["device", "captured", "delivered", "answered", "examined", "read", "open", "waiting"];
const ERASED: [&str; 7] = ["device", "in all", "purpose served", "expired", "withdrawn", "ordered", "time over"];
const DELAYS: [&str; 4] = ["up to", "capture to hub", "capture to answer", "answer to reading"];

fn title(summary: &Summary) -> String {
    let time = |ms: Option<u64>, open: &str| ms.map_or_else(|| open.to_owned(), |ms| output::time(Some(ms)));
    let span = match (summary.filter.from_ms, summary.filter.to_ms) {
        (None, None) => String::new(),
        (from, to) => format!(", captured {} to {}", time(from, "the beginning"), time(to, "now")),
    };
    format!(
        "What became of the captures at {}{span}, as of {}",
        plain(&summary.name),
        output::time(Some(summary.at_ms))
    )
}

/// Of each device and of all.
fn each(counts: &Counts) -> impl Iterator<Item = (String, &Fates)> {
    let devices = counts.devices.iter().map(|it| (plain(&it.alias), &it.fates));
    devices.chain([("total".to_owned(), &counts.total)])
}

fn fates(counts: &Counts) -> Vec<[String; 8]> {
    let row = |(name, it): (String, &Fates)| {
        let [a, b, c, d, e, f, g] =
            [it.captured, it.delivered, it.answered, it.examined, it.seen, it.open, it.waiting].map(|n| n.to_string());
        [name, a, b, c, d, e, f, g]
    };
    each(counts).map(row).collect()
}

fn erased(counts: &Counts) -> Vec<[String; 7]> {
    let row = |(name, it): (String, &Fates)| {
        let numbers =
            [it.erased, it.erased_done, it.erased_expired, it.erased_withdrawn, it.erased_ordered, it.erased_lapsed];
        let [a, b, c, d, e, f] = numbers.map(|n| n.to_string());
        [name, a, b, c, d, e, f]
    };
    each(counts).map(row).collect()
}

fn delays(counts: &Counts) -> Vec<[String; 4]> {
    let all = [&counts.to_receipt, &counts.to_answer, &counts.to_reading];
    let row = |name: &str, count: &dyn Fn(&Delays) -> u64| {
        let [a, b, c] = all.map(|delays| count(delays).to_string());
        [name.to_owned(), a, b, c]
    };
    let mut rows: Vec<_> =
        STEPS.iter().enumerate().map(|(step, (_, words))| row(words, &move |delays| delays.up_to[step])).collect();
    rows.push(row("longer", &|delays| delays.longer));
    rows.push(row("clocks disagree", &|delays| delays.clocks_disagree));
    // A step that nothing ended in says nothing.
    rows.retain(|[_, counts @ ..]| counts.iter().any(|count| count != "0"));
    rows
}

fn markdown_table<const N: usize>(header: [&str; N], rows: Vec<[String; N]>) -> String {
    // An alias may have any characters.
    let line = |cells: [String; N]| format!("| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    let mut lines = vec![line(header.map(str::to_owned)), line([(); N].map(|()| "---".to_owned()))];
    lines.extend(rows.into_iter().map(line));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_hostile_file_move_no_cursor_and_break_no_table() {
        assert_eq!(plain("Post\u{1b}[2J 4\n"), "Post\u{fffd}[2J 4\u{fffd}");
        assert_eq!(markdown_table(["a"], vec![["x|y".to_owned()]]), "| a |\n| --- |\n| x\\|y |");
    }
}
