//! `greenline sim import`: a contact trace as others publish it, as a table of ours.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;
use simulations::trace::{self, Format, HEADER, Oddities, RANGE_M_MAX, Stats, Trace, TraceError};

use crate::failure::Failure;
use crate::output;

const FORMATS: &str = "\
Known formats, gzipped or not:
  csv           a table `start,end,a,b`, times in seconds
  one           connection events of the ONE simulator: `time CONN a b up`
  tij           sightings of SocioPatterns: `t i j`, each for the 20 seconds before t
  one-movement  movements of ONE: a line of bounds, then `time node x y`
  ns2           movements of ns-2: `$ns_ at 10.0 \"$node_(0) setdest 100 200 5\"`
Movements need --range. Contacts of a pair that overlap or touch become one.";

#[derive(Args, Debug)]
#[command(after_help = FORMATS)]
pub(super) struct ImportArgs {
    /// The trace
    file: PathBuf,
    /// What it is written in; told from its first line if not given
    #[arg(long, value_enum)]
    format: Option<FormatArg>,
    /// How far radios reach, for movements
    #[arg(long, value_name = "METRES", value_parser = parse_range)]
    range: Option<f64>,
    /// End a contact at the first `down`, as ONE itself does; else it ends when neither of the two sees it any more
    #[arg(long)]
    one_compat: bool,
    /// Leave times as they are; else the first contact begins at zero
    #[arg(long)]
    keep_times: bool,
    /// Write the table here
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    Csv,
    One,
    Tij,
    OneMovement,
    Ns2,
}

pub(super) fn run(args: &ImportArgs) -> Result<(), Failure> {
    let (trace, format, oddities) = read(args)?;
    let trace = if args.keep_times { trace } else { trace.from_zero() };
    if let Some(path) = &args.out {
        write(&trace, path)?;
    }
    let stats = trace.stats();
    if args.json {
        return output::json(&numbers(&stats, format, &oddities));
    }
    output::say(told(&stats, format))?;
    for odd in words(&oddities) {
        eprintln!("Warning: {odd}");
    }
    match &args.out {
        Some(path) => output::say(format!("\nWritten to {}, as `{HEADER}`", path.display())),
        None => output::say("\nNothing is written: give a file with --out"),
    }
}

fn read(args: &ImportArgs) -> Result<(Trace, Format, Oddities), Failure> {
    let wrong = |error: TraceError| Failure::new(format!("{}: {error}", args.file.display())).hint(error.hint());
    if args.one_compat && args.format.is_some_and(|format| format != FormatArg::One) {
        return Err(
            Failure::new("--one-compat is for events of ONE, and --format says another one").hint("leave it out")
        );
    }
    let format =
        if args.one_compat { Some(Format::One { first_down_ends: true }) } else { asked(args).map_err(wrong)? };
    let file = File::open(&args.file).map_err(|error| wrong(error.into()))?;
    let (trace, format, oddities) = trace::read(BufReader::new(file), format, args.range).map_err(wrong)?;
    let moves = matches!(format, Format::OneMovement { .. } | Format::Ns2 { .. });
    if args.range.is_some() && !moves {
        return Err(Failure::new("--range is for movements, and these are contacts").hint("leave it out"));
    }
    Ok((trace, format, oddities))
}

fn asked(args: &ImportArgs) -> Result<Option<Format>, TraceError> {
    let Some(format) = args.format else { return Ok(None) };
    let range_m = || args.range.ok_or(TraceError::NoRange);
    Ok(Some(match format {
        FormatArg::Csv => Format::Csv,
        FormatArg::One => Format::One { first_down_ends: false },
        FormatArg::Tij => Format::Tij,
        FormatArg::OneMovement => Format::OneMovement { range_m: range_m()? },
        FormatArg::Ns2 => Format::Ns2 { range_m: range_m()? },
    }))
}

fn write(trace: &Trace, path: &Path) -> Result<(), Failure> {
    let wrong = |error| Failure::new(format!("{}: {error}", path.display())).hint("choose another file with --out");
    // What is there already may be somebody's only copy, the very trace that was read included.
    let file = File::create_new(path).map_err(wrong)?;
    trace.write_csv(file).map_err(wrong)
}

const fn name(format: Format) -> &'static str {
    match format {
        Format::Csv => "csv",
        Format::One { first_down_ends: false } => "one",
        Format::One { first_down_ends: true } => "one, each contact to its first `down`",
        Format::Tij => "tij",
        Format::OneMovement { .. } => "one-movement",
        Format::Ns2 { .. } => "ns2",
    }
}

fn told(stats: &Stats, format: Format) -> String {
    let span = |ms: Option<u64>| ms.map_or("-".to_owned(), output::span);
    let both = |half, most| format!("{} (half of them less), {} (nine of ten)", span(half), span(most));
    let rows = [
        ("format", name(format).to_owned()),
        ("nodes", format!("{}, of which {} can hear of each other", stats.nodes, stats.largest_component)),
        ("contacts", format!("{} of {} pairs", stats.contacts, stats.pairs)),
        ("lasts", output::span(stats.duration_ms)),
        ("a contact lasts", both(stats.contact_p50_ms, stats.contact_p90_ms)),
        ("a pair's pause", both(stats.between_p50_ms, stats.between_p90_ms)),
        ("a node in touch with", format!("{:.3} others at a time", stats.mean_degree)),
        ("a node meets", format!("{:.1} times a day", stats.contacts_per_node_day)),
    ];
    let lines = rows.iter().map(|(what, value)| format!("{what:<22}{value}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn words(oddities: &Oddities) -> Vec<String> {
    let counted = [
        (oddities.left_open, "contacts never end; they were ended with the pair's last word, or else with the file"),
        (oddities.unmatched, "ends of contacts that hadn't begun were left out"),
        (oddities.empty, "contacts that last no time were left out"),
        (oddities.about_messages, "events about messages were left out"),
    ];
    let first = oddities.first_line.map_or(String::new(), |line| format!(" (line {line} is the first that is odd)"));
    let odd = counted.iter().filter(|(count, _)| *count > 0);
    odd.map(|(count, what)| format!("{count} {what}{first}")).collect()
}

fn numbers(stats: &Stats, format: Format, oddities: &Oddities) -> serde_json::Value {
    json!({
        "format": name(format),
        "nodes": stats.nodes,
        "largest_component": stats.largest_component,
        "contacts": stats.contacts,
        "pairs": stats.pairs,
        "duration_ms": stats.duration_ms,
        "contact_p50_ms": stats.contact_p50_ms,
        "contact_p90_ms": stats.contact_p90_ms,
        "between_p50_ms": stats.between_p50_ms,
        "between_p90_ms": stats.between_p90_ms,
        "mean_degree": stats.mean_degree,
        "contacts_per_node_day": stats.contacts_per_node_day,
        "odd": {
            "left_open": oddities.left_open,
            "unmatched": oddities.unmatched,
            "empty": oddities.empty,
            "about_messages": oddities.about_messages,
            "first_line": oddities.first_line,
        },
    })
}

fn parse_range(text: &str) -> Result<f64, String> {
    let range = text.parse().ok().filter(|range: &f64| *range > 0.0 && *range <= RANGE_M_MAX);
    range.ok_or_else(|| format!("a range is more than 0 and at most {RANGE_M_MAX} metres"))
}
