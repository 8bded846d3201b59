//! `greenline matcher-worker`: the process in which the matcher's C code runs, so that it may crash alone.

use std::io::{self, BufReader, BufWriter};

use crate::failure::Failure;

pub(crate) fn run() -> Result<(), Failure> {
    let (input, output) = (io::stdin().lock(), io::stdout().lock());
    matcher::worker::serve(BufReader::new(input), BufWriter::new(output)).map_err(Failure::from)
}
