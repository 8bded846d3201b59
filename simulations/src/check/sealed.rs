//! Nobody but its readers sees in clear what is about a person: not in a frame, not in a row, not in an image.

use crdt::store::{Direction, Store, Table};

use super::{Rule, Scene, Verdict};
use crate::world::{Deed, PERSON};

/// See the module.
#[derive(Default)]
pub(super) struct Sealed;

impl Rule for Sealed {
    fn name(&self) -> &'static str {
        "no plaintext outside its readers"
    }

    fn deed(&mut self, _scene: &Scene, deed: &Deed) -> Verdict {
        match deed {
            Deed::Sent { from, frame, .. } if has_person(frame) => Err(format!("device {from} sent it in clear")),
            _ => Ok(()),
        }
    }

    fn end(&mut self, scene: &Scene) -> Verdict {
        for device in scene.honest() {
            let store = scene.world.engine(device).replica().store();
            for table in Table::ALL {
                let rows = store.scan(table, &[], &[u8::MAX; 64], Direction::Up, usize::MAX).unwrap_or_default();
                if rows.iter().any(|(key, value)| has_person(key) || has_person(value)) {
                    return Err(format!("device {device} keeps it in clear in {table:?}"));
                }
            }
            for (blob, _) in store.blob_list().unwrap_or_default() {
                if has_person(&store.blob_read(blob, 0, usize::MAX).unwrap_or_default()) {
                    return Err(format!("device {device} keeps an image in clear"));
                }
            }
        }
        Ok(())
    }
}

fn has_person(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, PERSON.as_bytes()).is_some()
}
