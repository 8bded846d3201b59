//! Tables beside a scenario: captures `t,node,bytes` and windows `node,start,end`, times in seconds.

use std::collections::BTreeMap;
use std::io::{BufRead, Read as _};

/// Longest line.
const LINE_BYTES_MAX: u64 = 1_024;
/// Most lines: ten times those of the longest table that is used here.
const LINES_MAX: usize = 1_000_000;
/// Latest time, in seconds: thirty years.
const SECONDS_MAX: f64 = 1e9;

/// One row of a table of captures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CaptureRow {
    pub(super) line: usize,
    pub(super) at_ms: u64,
    pub(super) node: String,
    pub(super) bytes: Option<u64>,
}

/// What is captured when and where.
pub(super) fn captures(from: impl BufRead) -> Result<Vec<CaptureRow>, String> {
    let table = Table::read(from)?;
    let (at, node) = (table.column(&["t", "t_s"])?, table.column(&["node"])?);
    let bytes = table.column(&["bytes"]).ok();
    let row = |(line, cells): &(usize, Vec<String>)| {
        let told = |what: String| format!("line {line}: {what}");
        let bytes = bytes.map(|column| whole(&cells[column])).transpose().map_err(told)?;
        Ok(CaptureRow { line: *line, at_ms: ms(&cells[at]).map_err(told)?, node: cells[node].clone(), bytes })
    };
    table.rows.iter().map(row).collect()
}

/// When which node has a way out, in order.
pub(super) fn windows(from: impl BufRead) -> Result<BTreeMap<String, Vec<(u64, u64)>>, String> {
    let table = Table::read(from)?;
    let columns = [["node", "node"], ["start", "start_s"], ["end", "end_s"]].map(|names| table.column(&names));
    let [node, start, end] = columns;
    let (node, start, end) = (node?, start?, end?);
    let mut all = BTreeMap::<String, Vec<(u64, u64, usize)>>::new();
    for (line, cells) in &table.rows {
        let time = |column: usize| ms(&cells[column]).map_err(|what| format!("line {line}: {what}"));
        let (from_ms, until_ms) = (time(start)?, time(end)?);
        if until_ms < from_ms {
            return Err(format!("line {line}: it ends before it begins"));
        }
        let windows = all.entry(cells[node].clone()).or_default();
        // Published tables have windows that last no time: they are nothing worse than odd.
        if from_ms < until_ms {
            windows.push((from_ms, until_ms, *line));
        }
    }
    let in_order = |(node, mut windows): (String, Vec<(u64, u64, usize)>)| {
        windows.sort_unstable();
        if let Some(pair) = windows.windows(2).find(|pair| pair[0].1 > pair[1].0) {
            return Err(format!("line {}: this window of node {node} overlaps that of line {}", pair[1].2, pair[0].2));
        }
        // Windows that touch are one.
        let mut joined = Vec::<(u64, u64)>::new();
        for (from_ms, until_ms, _) in windows {
            match joined.last_mut().filter(|last| last.1 == from_ms) {
                Some(last) => last.1 = until_ms,
                None => joined.push((from_ms, until_ms)),
            }
        }
        Ok((node, joined))
    };
    all.into_iter().map(in_order).collect()
}

/// A header, and rows of as many cells.
struct Table {
    header: Vec<String>,
    rows: Vec<(usize, Vec<String>)>,
}

impl Table {
    fn read(mut from: impl BufRead) -> Result<Self, String> {
        let (mut header, mut rows) = (None::<Vec<String>>, Vec::new());
        for number in 1.. {
            let mut bytes = Vec::new();
            let read = from.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut bytes);
            let read = read.map_err(|error| format!("it can't be read: {error}"))?;
            if read == 0 {
                break;
            }
            if read as u64 > LINE_BYTES_MAX {
                return Err(format!("line {number}: it has more than {LINE_BYTES_MAX} bytes"));
            }
            let line = String::from_utf8(bytes).map_err(|_| format!("line {number}: it isn't text"))?;
            let line = line.trim_start_matches('\u{feff}').trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let cells: Vec<String> = line.split(',').map(|cell| cell.trim().to_owned()).collect();
            match &header {
                None => header = Some(cells),
                Some(header) if header.len() != cells.len() => {
                    return Err(format!(
                        "line {number}: it has {} columns, and the first has {}",
                        cells.len(),
                        header.len()
                    ));
                }
                Some(_) if rows.len() == LINES_MAX => return Err(format!("line {number}: more than {LINES_MAX} rows")),
                Some(_) => rows.push((number, cells)),
            }
        }
        let header = header.ok_or("there is nothing in it")?;
        Ok(Self { header, rows })
    }

    fn column(&self, names: &[&str]) -> Result<usize, String> {
        let column = self.header.iter().position(|name| names.contains(&name.as_str()));
        column.ok_or_else(|| format!("line 1: there is no column `{}`", names[0]))
    }
}

fn ms(cell: &str) -> Result<u64, String> {
    let seconds: Option<f64> = cell.parse().ok();
    let seconds = seconds.filter(|it| (0.0..=SECONDS_MAX).contains(it));
    seconds.map(|it| (it * 1000.0).round() as u64).ok_or_else(|| "a time isn't in seconds, from 0 on".to_owned())
}

fn whole(cell: &str) -> Result<u64, String> {
    cell.parse().map_err(|_| "`bytes` isn't a whole number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_say_which_line_is_wrong() {
        let wrong = |text: &str| captures(text.as_bytes()).err().unwrap_or_default();
        assert_eq!(captures("t,node,bytes\n3,a,5\n".as_bytes()).unwrap()[0].at_ms, 3_000);
        assert_eq!(captures("node,t_s\na,0.5\n".as_bytes()).unwrap()[0].bytes, None);
        assert_eq!(wrong(""), "there is nothing in it");
        assert_eq!(wrong("t,bytes\n"), "line 1: there is no column `node`");
        assert_eq!(wrong("t,node\n1\n"), "line 2: it has 1 columns, and the first has 2");
        assert_eq!(wrong("t,node\n\n-1,a\n"), "line 3: a time isn't in seconds, from 0 on");
        let wrong = |text: &str| windows(text.as_bytes()).err().unwrap_or_default();
        assert_eq!(wrong("node,start,end\na,5,4\n"), "line 2: it ends before it begins");
        assert_eq!(wrong("node,start,end\na,4,9\na,1,5\n"), "line 2: this window of node a overlaps that of line 3");
        let read = windows("node,start,end\na,5,9\na,7,7\na,1,5\n".as_bytes()).unwrap();
        assert_eq!(read["a"], [(1_000, 9_000)]);
    }
}
