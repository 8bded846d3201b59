//! `greenline synth`: people who don't exist, for exercises and tests.

use std::collections::BTreeSet;
use std::fs;
use std::io::{IsTerminal, Write, stderr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use synth::{Person, Quality, png, print_png};

use crate::failure::Failure;
use crate::output;
use crate::parallel;

/// See the subcommands.
#[derive(Args, Debug)]
pub(crate) struct SynthArgs {
    #[command(subcommand)]
    command: SynthCommand,
}

#[derive(Subcommand, Debug)]
enum SynthCommand {
    /// Make people: a folder each, with prints, particulars, and a face if asked for
    People(PeopleArgs),
}

const LAYOUT: &str = "\
Each person has a folder, named by reference:
  finger-N.png       finger N, for a gallery: `greenline hub gallery add --from FOLDER` takes these
  finger-N-K.png     the K-th further taking of finger N, to capture with
  face.png           with --faces
  particulars.json   names, birth date, document number
The same seed makes the same people.";

#[derive(Args, Debug)]
#[command(after_help = LAYOUT)]
struct PeopleArgs {
    /// How many people
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// Which people: another seed, other people
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which fingers: 1 right thumb, 2 right index ... 6 left thumb, 7 left index ...
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "2,7",
          value_parser = clap::value_parser!(u8).range(1..=10))]
    fingers: Vec<u8>,
    /// How often each finger's print is taken again
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=100))]
    impressions: u32,
    /// How well it is taken again; the one for a gallery is always good
    #[arg(long, value_enum, default_value = "good")]
    quality: QualityArg,
    /// Draw faces too
    #[arg(long)]
    faces: bool,
    /// Where to write; made if it isn't there, otherwise empty
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum QualityArg {
    /// A live scan of a clean finger
    Good,
    /// A dry, worn finger
    Worn,
    /// Too poor to search
    Smudged,
}

pub(crate) fn run(args: SynthArgs) -> Result<(), Failure> {
    match args.command {
        SynthCommand::People(args) => people(&args),
    }
}

fn people(args: &PeopleArgs) -> Result<(), Failure> {
    make_empty(&args.out)?;
    let done = AtomicU32::new(0);
    let made = parallel::map(args.count as usize, |number| {
        write_person(args, &Person::new(args.seed, number as u32))?;
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, args.count);
        Ok(())
    });
    made.into_iter().collect::<Result<(), Failure>>()?;
    if args.json {
        return output::json(&json!({"people": args.count, "folder": args.out, "fingers": fingers(args)}));
    }
    output::say(format!("Made {} people in {}", args.count, args.out.display()))
}

fn make_empty(folder: &Path) -> Result<(), Failure> {
    let cannot = |error| Failure::new(format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(cannot)?;
    if fs::read_dir(folder).map_err(cannot)?.next().is_some() {
        return Err(Failure::new(format!("{} isn't empty", folder.display()))
            .hint("name a new folder, so that no two sets of people mix"));
    }
    Ok(())
}

/// Each finger once, whatever was typed.
fn fingers(args: &PeopleArgs) -> BTreeSet<u8> {
    args.fingers.iter().copied().collect()
}

fn write_person(args: &PeopleArgs, person: &Person) -> Result<(), Failure> {
    let folder = args.out.join(person.reference());
    fs::create_dir(&folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    for number in fingers(args) {
        let finger = person.finger(number);
        write(&folder, &format!("finger-{number}.png"), &print_png(&finger.impression(0, Quality::Good)))?;
        for taking in 1..=args.impressions {
            let print = finger.impression(taking, args.quality.into());
            write(&folder, &format!("finger-{number}-{taking}.png"), &print_png(&print))?;
        }
    }
    if args.faces {
        write(&folder, "face.png", &png(&person.face()))?;
    }
    write(&folder, "particulars.json", format!("{:#}\n", json!(person.particulars())).as_bytes())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = folder.join(name);
    fs::write(&path, bytes).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// For people who watch; a file or a pipe gets none of it.
fn progress(done: u32, count: u32) {
    let mut out = stderr().lock();
    if out.is_terminal() {
        let end = if done == count { "\n" } else { "" };
        // Progress that can't be shown is no reason to stop.
        let _ = write!(out, "\r{done} of {count} people{end}").and_then(|()| out.flush());
    }
}

impl From<QualityArg> for Quality {
    fn from(quality: QualityArg) -> Self {
        match quality {
            QualityArg::Good => Self::Good,
            QualityArg::Worn => Self::Worn,
            QualityArg::Smudged => Self::Smudged,
        }
    }
}
