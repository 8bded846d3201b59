//! Lists of captures, newest first, page by page.

use serde::{Deserialize, Serialize};

use super::{Replica, keys};
use crate::ids::{CaptureId, DeviceId};
use crate::stage::{Stage, Stages};
use crate::store::{Direction, Store, StoreError, Table};
use crate::time::Hlc;
use crate::view::CaptureView;

/// Most captures on one page.
pub const PAGE_MAX: usize = 500;
/// Most captures looked at for one page: a filter that rarely fits ends the page early, with a cursor to go on from.
const LOOKED_AT_MAX: usize = 20_000;

/// Where the next page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The last capture's time.
    pub time: Hlc,
    /// Its id.
    pub capture: CaptureId,
}

/// Which captures to list.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only those at this stage.
    pub stage: Option<Stage>,
    /// Only those captured by this device.
    pub device: Option<DeviceId>,
    /// Only those captured at or after this time, in ms.
    pub from_ms: Option<u64>,
    /// Only those captured before this time, in ms.
    pub to_ms: Option<u64>,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// How many at most; [`PAGE_MAX`] if larger.
    pub limit: usize,
}

/// One line of a list.
pub(crate) type Line = (CaptureId, CaptureView, Stages);

/// Some lines, and where the next ones begin.
pub(crate) type Page = (Vec<Line>, Option<Cursor>);

impl<S: Store> Replica<S> {
    /// One page of captures, newest first, and where the next one begins. `stages` says how far each has come.
    pub(crate) fn list(
        &self,
        query: &Query,
        stages: impl Fn(CaptureId, &CaptureView) -> Option<Stages>,
    ) -> Result<Page, StoreError> {
        let from = Hlc::from_ms(query.from_ms.unwrap_or(0)).0.to_be_bytes().to_vec();
        let mut to = match (query.after, query.to_ms) {
            (Some(cursor), _) => keys::order(cursor.time, cursor.capture),
            (None, Some(ms)) => Hlc::from_ms(ms).0.to_be_bytes().to_vec(),
            (None, None) => vec![u8::MAX; 25],
        };
        let limit = query.limit.clamp(1, PAGE_MAX);
        let (mut page, mut looked_at) = (Vec::new(), 0);
        loop {
            let mut rows = self.store.scan(Table::Order, &from, &to, Direction::Down, limit + 1)?.into_iter();
            let done = rows.len() <= limit;
            while let Some((key, _)) = rows.next() {
                let Some(cursor) = cursor(&key) else { continue };
                to = key;
                looked_at += 1;
                if let Some(line) = self.line(cursor.capture, query, &stages)? {
                    page.push(line);
                }
                if page.len() == limit || looked_at == LOOKED_AT_MAX {
                    return Ok((page, (rows.len() > 0 || !done).then_some(cursor)));
                }
            }
            if done {
                return Ok((page, None));
            }
        }
    }

    fn line(
        &self,
        id: CaptureId,
        query: &Query,
        stages: impl Fn(CaptureId, &CaptureView) -> Option<Stages>,
    ) -> Result<Option<Line>, StoreError> {
        let Some(view) = self.capture(id)? else { return Ok(None) };
        let by = view.origin.as_ref().map(|origin| origin.device);
        if query.device.is_some() && query.device != by {
            return Ok(None);
        }
        let Some(stages) = stages(id, &view) else { return Ok(None) };
        Ok(query.stage.is_none_or(|stage| stage == stages.now).then_some((id, view, stages)))
    }
}

fn cursor(key: &[u8]) -> Option<Cursor> {
    let (time, capture) = key.split_first_chunk::<8>()?;
    Some(Cursor { time: Hlc(u64::from_be_bytes(*time)), capture: CaptureId(capture.try_into().ok()?) })
}
