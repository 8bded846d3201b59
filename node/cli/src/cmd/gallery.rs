//! `greenline hub gallery`: people with known prints. What is done to them is noted before it is done, or shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use crdt::audit::PersonName;
use crdt::vault::{NONCE_BYTES, VaultKey};
use matcher::gallery::Addition;
use matcher::image::IMAGE_BYTES_MAX;
use matcher::{Gallery, Pool, Position, Reference};
use node::files::read_at_most;
use node::handling::Handling;
use node::home::Home;
use serde_json::json;

use super::gallery_notes::Notes;
use super::hub::pool;
use crate::client::OperatorArg;
use crate::failure::Failure;
use crate::output;
use crate::parallel::{self, cores};
use crate::unlock::KeysArg;

/// The images of a person.
type Images = Vec<(Position, PathBuf)>;

#[derive(Args, Debug)]
pub(super) struct GalleryArgs {
    #[command(subcommand)]
    command: GalleryCommand,
}

#[derive(Subcommand, Debug)]
enum GalleryCommand {
    /// Add a person, or all that `greenline synth people` made
    Add(AddArgs),
    /// List the people
    List(ListArgs),
    /// Remove a person
    Remove(RemoveArgs),
    /// Print what the audit trail calls a person, whether or not they are in the gallery
    Name(NameArgs),
}

#[derive(Args, Debug)]
struct AddArgs {
    #[command(flatten)]
    keys: KeysArg,
    /// The person's reference in the database, never a name
    #[arg(long, required_unless_present = "from", conflicts_with = "from")]
    reference: Option<String>,
    /// A finger's image, as NUMBER=FILE; may be given several times
    #[arg(long = "finger", value_name = "N=FILE", value_parser = parse_finger, requires = "reference")]
    fingers: Vec<(Position, PathBuf)>,
    /// A folder with one folder per person, each with finger-N.png files
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    #[command(flatten)]
    by: OperatorArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    keys: KeysArg,
    #[command(flatten)]
    by: OperatorArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct RemoveArgs {
    #[command(flatten)]
    keys: KeysArg,
    /// The person's reference
    reference: String,
    #[command(flatten)]
    by: OperatorArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct NameArgs {
    #[command(flatten)]
    keys: KeysArg,
    /// The person's reference
    reference: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &GalleryArgs) -> Result<(), Failure> {
    match &args.command {
        GalleryCommand::Add(args) => add(args),
        GalleryCommand::List(args) => list(args),
        GalleryCommand::Remove(args) => remove(args),
        GalleryCommand::Name(args) => name(args),
    }
}

/// Why a person wasn't added.
enum Fault {
    /// Something about their images, in words.
    Person(String),
    /// It couldn't be noted; the next one couldn't either.
    Trail(Failure),
}

fn add(args: &AddArgs) -> Result<(), Failure> {
    let home = args.keys.unlock()?;
    let notes = Notes::of(&home, &args.keys.home, &args.by)?;
    let gallery = open_gallery(&home)?;
    let pool = pool(cores())?;
    let people = match (&args.from, &args.reference) {
        (Some(folder), _) => people_in(folder)?,
        (None, Some(reference)) => BTreeMap::from([(reference.clone(), args.fingers.clone())]),
        (None, None) => BTreeMap::new(),
    };
    if people.values().all(Vec::is_empty) {
        return Err(Failure::new("no finger images to add").hint("give --finger 2=index.png, or --from FOLDER"));
    }
    let mut failures = Vec::new();
    let mut untold = None;
    for (reference, fault) in add_all(&gallery, &pool, &notes, &people) {
        match fault {
            Fault::Person(words) => failures.push(format!("{reference}: {words}")),
            Fault::Trail(failure) => {
                failures.push(format!("{reference}: it couldn't be noted in the audit trail"));
                untold.get_or_insert(failure);
            }
        }
    }
    let added = people.len() - failures.len();
    for failure in &failures {
        eprintln!("Warning: {failure}");
    }
    if let Some(failure) = untold {
        return Err(failure);
    }
    if added == 0 {
        return Err(Failure::new("nobody was added").hint("see the warnings above"));
    }
    if args.json {
        return output::json(&json!({"added": added, "failed": failures}));
    }
    output::say(format!("Added {added} of {} people", people.len()))
}

/// Extracts, notes and adds in parallel; returns what went wrong, per person.
fn add_all<'a>(
    gallery: &Gallery,
    pool: &Pool,
    notes: &Notes,
    people: &'a BTreeMap<String, Images>,
) -> Vec<(&'a String, Fault)> {
    let people: Vec<_> = people.iter().collect();
    let add = |number: usize| {
        let (reference, prints) = people[number];
        let added = read_all(prints).map_err(Fault::Person).and_then(|images| {
            let addition = extract(gallery, pool, reference, &images).map_err(Fault::Person)?;
            notes.note(&handling(&addition)).map_err(Fault::Trail)?;
            addition.write().map_err(|error| Fault::Person(error.to_string()))
        });
        added.err().map(|fault| (reference, fault))
    };
    parallel::map(people.len(), add).into_iter().flatten().collect()
}

fn handling(addition: &Addition<'_>) -> Handling {
    let person = PersonName(addition.name()).to_string();
    if addition.replaces() { Handling::Replaced { person } } else { Handling::Added { person } }
}

fn read_all(prints: &[(Position, PathBuf)]) -> Result<Vec<(Position, Vec<u8>)>, String> {
    let read = |(position, path): &(Position, PathBuf)| {
        let image =
            read_at_most(path, IMAGE_BYTES_MAX as u64).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok((*position, image))
    };
    prints.iter().map(read).collect()
}

/// Makes ready to add a person with these images to a gallery; an error says what went wrong, not with whom.
fn extract<'a>(
    gallery: &'a Gallery,
    pool: &Pool,
    reference: &str,
    images: &[(Position, Vec<u8>)],
) -> Result<Addition<'a>, String> {
    let extract = |(position, image): &(Position, Vec<u8>)| {
        let extracted = pool.extract(image).map_err(|error| format!("{position}: {error}"))?;
        Ok((*position, extracted.template))
    };
    let templates = images.iter().map(extract).collect::<Result<_, String>>()?;
    gallery.prepare(reference, templates).map_err(|error| error.to_string())
}

/// Adds a person of an exercise, whom no trail tells of.
pub(crate) fn add_person(
    gallery: &Gallery,
    pool: &Pool,
    reference: &str,
    images: &[(Position, Vec<u8>)],
) -> Result<(), String> {
    extract(gallery, pool, reference, images)?.write().map_err(|error| error.to_string())
}

/// The layout that `greenline synth people` writes: a folder per person, finger-N.png in it.
fn people_in(folder: &Path) -> Result<BTreeMap<String, Images>, Failure> {
    let unreadable = |error| Failure::new(format!("{}: {error}", folder.display()));
    let mut people = BTreeMap::new();
    for person in std::fs::read_dir(folder).map_err(unreadable)?.flatten().filter(|entry| entry.path().is_dir()) {
        let files = std::fs::read_dir(person.path()).map_err(unreadable)?.flatten().map(|entry| entry.path());
        let mut prints: Vec<_> = files.filter_map(|path| Some((finger_of(&path)?, path))).collect();
        prints.sort();
        if let (Ok(reference), false) = (person.file_name().into_string(), prints.is_empty()) {
            people.insert(reference, prints);
        }
    }
    Ok(people)
}

/// `finger-2.png` shows finger 2; `finger-2-1.png`, a further impression, isn't for the gallery.
fn finger_of(path: &Path) -> Option<Position> {
    let stem = path.file_stem()?.to_str()?.strip_prefix("finger-")?;
    Position::from_code(stem.parse().ok()?)
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let home = args.keys.unlock()?;
    let gallery = open_gallery(&home)?;
    let contents = gallery.load_all().map_err(Failure::new)?;
    let people = u32::try_from(contents.people.len()).unwrap_or(u32::MAX);
    Notes::of(&home, &args.keys.home, &args.by)?.note(&Handling::Listed { people })?;
    for damaged in &contents.damaged {
        eprintln!("Warning: {damaged}");
    }
    if args.json {
        let people: Vec<_> = contents
            .people
            .iter()
            .map(|person| {
                let fingers: Vec<u8> = person.prints.iter().map(|(position, _)| position.code()).collect();
                let name = PersonName(gallery.name(&person.reference)).to_string();
                json!({"reference": person.reference.as_str(), "name": name, "fingers": fingers})
            })
            .collect();
        return output::json(&json!({"people": people, "damaged": contents.damaged.len()}));
    }
    if contents.people.is_empty() {
        return output::say("The gallery is empty.");
    }
    let rows = contents.people.iter().map(|person| {
        let fingers: Vec<String> = person.prints.iter().map(|(position, _)| position.code().to_string()).collect();
        [person.reference.to_string(), fingers.join(" ")]
    });
    output::say(output::table(["reference", "fingers"], rows))
}

fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let home = args.keys.unlock()?;
    let gallery = open_gallery(&home)?;
    let reference = Reference::new(&args.reference).map_err(Failure::new)?;
    // Whoever isn't there can't be removed, and no record says so.
    if gallery.knows(&reference).map_err(Failure::new)? {
        let person = PersonName(gallery.name(&reference)).to_string();
        Notes::of(&home, &args.keys.home, &args.by)?.note(&Handling::Removed { person })?;
    }
    if !gallery.remove(&args.reference).map_err(Failure::new)? {
        return Err(Failure::new(format!("there is no `{}` in the gallery", args.reference))
            .hint("see `greenline hub gallery list`"));
    }
    if args.json {
        return output::json(&json!({"removed": args.reference}));
    }
    output::say(format!("Removed {}", args.reference))
}

fn name(args: &NameArgs) -> Result<(), Failure> {
    let reference = Reference::new(&args.reference).map_err(Failure::new)?;
    let name = PersonName(open_gallery(&args.keys.unlock()?)?.name(&reference)).to_string();
    if args.json { output::json(&json!({"reference": args.reference, "name": name})) } else { output::say(name) }
}

/// The gallery of the hub in this home.
pub(crate) fn open_gallery(home: &Home) -> Result<Gallery, Failure> {
    let cover = Cover { key: home.gallery_key()? };
    Gallery::open(home.gallery_dir(), Arc::new(cover)).map_err(Failure::new)
}

/// What a gallery's files are encrypted with.
struct Cover {
    key: VaultKey,
}

impl matcher::gallery::Cover for Cover {
    fn name(&self, reference: &str) -> [u8; 16] {
        self.key.name(reference.as_bytes())
    }

    fn seal(&self, name: &[u8; 16], plain: &[u8]) -> Result<Vec<u8>, String> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| error.to_string())?;
        Ok(self.key.seal(name, plain, &nonce))
    }

    fn open(&self, name: &[u8; 16], sealed: &[u8]) -> Option<Vec<u8>> {
        self.key.open(name, sealed).ok().map(|plain| plain.to_vec())
    }
}

fn parse_finger(text: &str) -> Result<(Position, PathBuf), String> {
    let (number, file) = text.split_once('=').ok_or("write NUMBER=FILE, 2=index.png for example")?;
    let position = number.parse().ok().and_then(Position::from_code).ok_or("the finger's number is 1 to 10")?;
    Ok((position, file.into()))
}
