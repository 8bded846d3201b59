//! What the readers of contact traces, scenarios and schedules of trouble have to bear, as plain functions: the tests call them with random and with
//! mutated bytes, the fuzz targets in `tests/fuzz` with whatever the fuzzer makes up.

use std::io::{self, BufRead, Cursor};

use simulations::fuzz::{Case, play};
use simulations::scenario::{Scenario, no_files};
use simulations::trace::{Format, read};

/// A file, as what it says it is and as each format. What was read is written as our table, and read back the same.
pub(crate) fn trace(data: &[u8]) {
    let range_m = 10.0;
    let one = [false, true].map(|first_down_ends| Format::One { first_down_ends });
    let others = [Format::Csv, Format::Tij, Format::OneMovement { range_m }, Format::Ns2 { range_m }];
    for format in [None].into_iter().chain(one.into_iter().chain(others).map(Some)) {
        let Ok((trace, ..)) = read(data, format, Some(range_m)) else { continue };
        let mut table = Vec::new();
        trace.write_csv(&mut table).unwrap();
        let (again, ..) = read(table.as_slice(), Some(Format::Csv), None).unwrap();
        assert_eq!(again.contacts().len(), trace.contacts().len());
    }
}

/// A small scenario that is right, to be made wrong.
pub(crate) const FORD: &str = r#"name = "ford"
lasts = "2 d"

[contacts]
radio = "wifi-ap"

[places]
ford = ["0 m", "0 m"]
hill = ["1.5 km", "-2 km"]

[groups.post]
count = 3
at = "ford"
uplink = { profile = "3g", windows = ["06:00-06:15", "18:00-18:15"] }

[groups.patrol]
count = 4
foot_patrol = { base = "ford", stops = ["hill"], leaves = ["06:00", "14:00"], teams = 2 }

[captures.crossing]
by = ["post", "patrol"]
total = 40
hours = ["06:00-20:00"]
images = "60 kB to 90 kB"
"#;

/// One that takes its contacts from a trace, and all else from tables.
pub(crate) const TRACED: &str = r#"
name = "traced"
lasts = "2 h"

[contacts]
radio = "wifi-ap"
trace = "met.csv"

[groups.gateways]
nodes = ["7", "9"]
uplink = { profile = "4g", windows_csv = "windows.csv" }

[captures.all]
csv = "captures.csv"
"#;

/// A folder in memory.
pub(crate) fn folder(name: &str) -> io::Result<Box<dyn BufRead>> {
    let bytes: &[u8] = match name {
        "met.csv" => b"start,end,a,b\n0,600,7,8\n300,9000,8,9\n",
        "met.one" => b"0 CONN 7 8 up\n10 CONN 8 7 up\n300 CONN 7 8 down\n600 CONN 8 7 down\n300 CONN 8 9 up\n",
        "moves.txt" => b"0 7200 0 1000 0 1000\n0 7 0 0\n0 8 500 0\n600 8 0 0\n0 9 900 900\n",
        "windows.csv" => b"node,start,end\n7,60,120\n7,120,180\n",
        "captures.csv" => b"t,node,bytes\n30,8,90000\n3000,9,1000\n",
        "late.csv" => b"t,node\n7200,8\n",
        "stranger.csv" => b"node,start,end\n8,60,120\n",
        _ => return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such file")),
    };
    Ok(Box::new(Cursor::new(bytes.to_vec())))
}

/// A scenario: refused in words, or planned if it is small.
pub(crate) fn scenario(data: &[u8]) {
    match Scenario::read("hostile.toml", &String::from_utf8_lossy(data), &[], &folder) {
        Ok(it) if it.devices() < 120 && it.lasts_ms() < 30 * 86_400_000 => drop(it.plan(1)),
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint.is_empty()),
    }
}

/// What is set beside a scenario.
pub(crate) fn setting(data: &[u8]) {
    let _ = Scenario::read("a.toml", FORD, &[String::from_utf8_lossy(data).into_owned()], &no_files);
}

/// A table beside a scenario, as each of the two sorts.
pub(crate) fn table(data: &[u8]) {
    let _ = Scenario::read("a.toml", TRACED, &[], &|name: &str| match name {
        "met.csv" => folder(name),
        _ => Ok(Box::new(Cursor::new(data.to_vec()))),
    });
    let captures = TRACED.replace(
        "nodes = [\"7\", \"9\"]\nuplink = { profile = \"4g\", windows_csv = \"windows.csv\" }",
        "nodes = \"all\"",
    );
    let _ = Scenario::read("a.toml", &captures, &[], &|name: &str| match name {
        "met.csv" => folder(name),
        _ => Ok(Box::new(Cursor::new(data.to_vec()))),
    });
}

/// A schedule of trouble: refused in words, or played if it is small.
pub(crate) fn case(data: &[u8]) {
    match Case::from_toml(&String::from_utf8_lossy(data)) {
        Ok(case) if case.devices.len() <= 3 && case.trouble.len() <= 20 && case.ends_ms < 2 * 3_600_000 => {
            drop(play(&case));
        }
        Ok(case) => drop(case.plan()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
