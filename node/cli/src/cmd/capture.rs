//! `greenline capture`: a person's check.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use crdt::blob::BLOB_BYTES_MAX;
use serde_json::{Map, Value};
use ureq::unversioned::multipart::{Form, Part};

use crate::client::{Client, HomeArg};
use crate::failure::Failure;
use crate::input;
use crate::output;

const EXAMPLES: &str = "\
Example:
  greenline capture --purpose border-check --finger 2=index.png --finger 7=left.png --face face.jpg \\
      --particular family_name=Doe

Fingers by number: 1 right thumb, 2 right index ... 5 right little; 6 left thumb, 7 left index ... 10 left little.";

/// Record a person's check: prints, face and particulars are sealed to the hub before they are stored.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CaptureArgs {
    #[command(flatten)]
    home: HomeArg,
    /// Why this person is checked: a code of the site's policy
    #[arg(long, value_name = "CODE")]
    purpose: String,
    /// Urgent captures travel first
    #[arg(long, value_enum, default_value = "routine")]
    priority: PriorityArg,
    /// A finger's image (PNG, JPEG or PGM, 500 ppi), as NUMBER=FILE; may be given several times
    #[arg(long = "finger", value_name = "N=FILE", value_parser = parse_finger)]
    fingers: Vec<(u8, PathBuf)>,
    /// The face's image
    #[arg(long, value_name = "FILE")]
    face: Option<PathBuf>,
    /// Something about the person, as NAME=VALUE; may be given several times
    #[arg(long = "particular", value_name = "NAME=VALUE", value_parser = parse_particular)]
    particulars: Vec<(String, String)>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PriorityArg {
    /// In order of arrival
    Routine,
    /// Before all routine ones
    Urgent,
}

pub(crate) fn run(args: CaptureArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?;
    let fingers = args.fingers.iter().map(|(number, path)| (format!("finger-{number}"), path));
    let face = args.face.iter().map(|path| ("face".to_owned(), path));
    let mut images = Vec::new();
    for (name, path) in fingers.chain(face) {
        images.push((name, read(path)?));
    }
    let particulars: Map<String, Value> =
        args.particulars.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let particulars = Value::Object(particulars).to_string();
    let priority = match args.priority {
        PriorityArg::Routine => "routine",
        PriorityArg::Urgent => "urgent",
    };
    let mut form =
        Form::new().text("purpose", &args.purpose).text("priority", priority).text("particulars", &particulars);
    for (name, bytes) in &images {
        form = form.part(name, Part::bytes(bytes).file_name(name));
    }
    let recorded = client.post_form("/api/captures", form)?;
    if args.json {
        return output::json(&recorded);
    }
    output::say(format!("Recorded {}", output::text(&recorded, "id")))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = input::bytes(path, BLOB_BYTES_MAX as u64);
    read.map_err(|failure| failure.hint("give the path of an image that is there, of at most 16 MiB"))
}

fn parse_finger(text: &str) -> Result<(u8, PathBuf), String> {
    let (number, file) = text.split_once('=').ok_or("write NUMBER=FILE, 2=index.png for example")?;
    let number: u8 = number.parse().map_err(|_| "the finger's number is 1 to 10")?;
    if (1..=10).contains(&number) { Ok((number, file.into())) } else { Err("the finger's number is 1 to 10".into()) }
}

fn parse_particular(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, family_name=Doe for example")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_image_may_be_so_long_and_a_longer_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.png");
        let lengthen = |bytes: usize| std::fs::File::create(&path).unwrap().set_len(bytes as u64).unwrap();
        lengthen(BLOB_BYTES_MAX);
        assert_eq!(read(&path).unwrap().len(), BLOB_BYTES_MAX);
        lengthen(BLOB_BYTES_MAX + 1);
        assert!(read(&path).unwrap_err().next().is_some_and(|next| next.contains("at most 16 MiB")));
    }
}
