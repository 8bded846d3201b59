//! The worker process: reads requests, runs the C code, writes replies, until its input ends.
//!
//! It may die at any request; [`crate::Pool`] starts another.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::{
    ffi::Matcher,
    frame,
    image::{ImageError, Print},
    person::{FingerPrint, Person},
    score::Searched,
    search::search,
    template::Template,
};

/// What the pool asks.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// The template of a picture.
    Extract {
        /// The picture's file.
        #[serde(with = "serde_bytes")]
        image: Vec<u8>,
    },
    /// Forget the gallery held, and begin another.
    Clear,
    /// Add these people to the gallery.
    Load {
        /// These.
        people: Vec<Person>,
    },
    /// Compare these prints with the gallery.
    Search {
        /// These.
        probe: Vec<FingerPrint>,
    },
}

impl Request {
    /// As it is in a frame.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Of a frame.
    ///
    /// # Errors
    /// If nobody asks that.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        postcard::from_bytes(bytes).map_err(io::Error::other)
    }
}

/// What a worker answers.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// The template of the picture.
    Extracted(Result<Template, Refused>),
    /// It holds what it was given.
    Loaded,
    /// What the comparisons gave.
    Searched(Searched),
}

impl Reply {
    /// As it is in a frame.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Of a frame.
    ///
    /// # Errors
    /// If no worker answers that.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        postcard::from_bytes(bytes).map_err(io::Error::other)
    }
}

fn encode(said: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(said).expect("plain data encodes into memory")
}

/// Why a picture gives no template.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Refused {
    /// It can't be read.
    Image(ImageError),
    /// The C code gives up, with this number.
    Extractor(i32),
}

/// Serves until `input` ends. Give it the process's standard input and output, and use neither for anything else.
///
/// # Errors
/// If the pipes break, a request makes no sense, or the matcher is already claimed in this process. The process should then end.
pub fn serve(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut matcher = Matcher::claim().map_err(io::Error::other)?;
    let mut people = Vec::new();
    output.write_all(frame::PREAMBLE)?;
    output.flush()?;
    while let Some(request) = frame::read(&mut input)? {
        let reply = answer(&mut matcher, &mut people, Request::decode(&request)?);
        frame::write(&mut output, &reply.encode())?;
    }
    Ok(())
}

fn answer(matcher: &mut Matcher, people: &mut Vec<Person>, request: Request) -> Reply {
    match request {
        Request::Extract { image } => Reply::Extracted(extract(matcher, &image)),
        Request::Clear => {
            people.clear();
            Reply::Loaded
        }
        Request::Load { people: more } => {
            people.extend(more);
            Reply::Loaded
        }
        Request::Search { probe } => Reply::Searched(search(matcher, &probe, people)),
    }
}

fn extract(matcher: &mut Matcher, image: &[u8]) -> Result<Template, Refused> {
    let print = Print::decode(image).map_err(Refused::Image)?;
    matcher.extract(&print).map_err(|failed| Refused::Extractor(failed.0))
}
