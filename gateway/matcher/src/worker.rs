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
#[derive(Serialize, Deserialize)]
pub(crate) enum Request {
    /// The template of a picture.
    Extract {
        #[serde(with = "serde_bytes")]
        image: Vec<u8>,
    },
    /// Forget the gallery held, and begin another.
    Clear,
    /// Add these people to the gallery.
    Load { people: Vec<Person> },
    /// Compare these prints with the gallery.
    Search { probe: Vec<FingerPrint> },
}

/// What a worker answers.
#[derive(Serialize, Deserialize)]
pub(crate) enum Reply {
    Extracted(Result<Template, Refused>),
    Loaded,
    Searched(Searched),
}

/// Why a picture gives no template.
#[derive(Serialize, Deserialize)]
pub(crate) enum Refused {
    Image(ImageError),
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
        let request = postcard::from_bytes(&request).map_err(io::Error::other)?;
        let reply = answer(&mut matcher, &mut people, request);
        frame::write(&mut output, &postcard::to_stdvec(&reply).map_err(io::Error::other)?)?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use synth::hostile::bears;

    use super::*;

    fn piped<T: Serialize>(said: &[T]) -> Vec<u8> {
        let mut pipe = Vec::new();
        said.iter().for_each(|it| frame::write(&mut pipe, &postcard::to_stdvec(it).unwrap()).unwrap());
        pipe
    }

    /// Reads frames up to the first that isn't one.
    fn read_all<T: for<'de> Deserialize<'de>>(mut pipe: &[u8]) {
        while let Ok(Some(bytes)) = frame::read(&mut pipe) {
            let _ = postcard::from_bytes::<T>(&bytes);
        }
    }

    fn template() -> Template {
        Template::new(Vec::new(), 400, 500).unwrap()
    }

    #[test]
    fn hostile_requests_and_replies_are_an_error_to_whoever_reads_them() {
        let probe = vec![(crate::position::Position::UNKNOWN, template())];
        let people = vec![Person { reference: crate::person::Reference::new("p1").unwrap(), prints: probe.clone() }];
        let image = b"P5 64 64 255 and no pixels".to_vec();
        let asked =
            piped(&[Request::Extract { image }, Request::Clear, Request::Load { people }, Request::Search { probe }]);
        bears("requests to workers", &[("requests", asked)], 4_000, read_all::<Request>);
        let refused = [Refused::Image(ImageError::Size { width: 1, height: 2 }), Refused::Extractor(-7)];
        let refused = refused.into_iter().map(|why| Reply::Extracted(Err(why)));
        let others = [Reply::Extracted(Ok(template())), Reply::Loaded, Reply::Searched(search_of_nobody())];
        let said: Vec<Reply> = refused.chain(others).collect();
        let replies = [frame::PREAMBLE, &piped(&said)].concat();
        bears("replies of workers", &[("replies", replies)], 4_000, |mut pipe| {
            if frame::skip_preamble(&mut pipe).is_ok() {
                read_all::<Reply>(pipe);
            }
        });
    }

    fn search_of_nobody() -> Searched {
        Searched { ranked: Vec::new(), compared: 0, not_compared: 0 }
    }
}
