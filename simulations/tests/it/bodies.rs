//! What the readers of contact traces have to bear, as a plain function: the test calls it with random and with mutated bytes, the
//! fuzz target in `tests/fuzz` with whatever the fuzzer makes up.

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
