//! What Automerge does today, so that another version of it is noticed.

use automerge::{ObjType, ROOT, ReadDoc};
use data_encoding::HEXLOWER;

use super::*;

/// If this fails, Automerge writes changes otherwise than the version that the format names: replicas of two versions would
/// refuse each other's edits. That is a new version of the format, not a new fixture.
#[test]
fn a_change_is_written_and_read_as_ever() {
    let Body::Chunk(first) = &honest().edits[0].body else { unreachable!() };
    assert_eq!(HEXLOWER.encode(first), KNOWN_CHANGE);
}

const KNOWN_CHANGE: &str = "856f4a83fed7854e019901016db6d9a04dba87afc6df820d19e6f122d62c7aff1f116293f37ecb3aba01d0a610\
                            8dbd67408efd19cb87fa38efaaf2747e010500000110677265656e6c696e65207265636f726409010202041304\
                            15233403420256045706700203017d0102037f00000200017e046e616d651a626565717363696a626565717363\
                            696a626565717363696a6265000102030102367f026f6e65446f650300";

#[test]
fn lists_of_one_name_made_twice_lose_one_of_them_which_is_why_there_is_a_genesis() {
    let make = |actor: u8| {
        let mut document = Automerge::new().with_actor(ActorId::from([actor; 16]));
        let mut transaction = document.transaction();
        let list = transaction.put_object(ROOT, "notes", ObjType::List).unwrap();
        transaction.insert(list, 0, "a word").unwrap();
        transaction.commit();
        document
    };
    let (mut a, mut b) = (make(1), make(2));
    a.merge(&mut b).unwrap();
    let (_, list) = a.get(ROOT, "notes").unwrap().unwrap();
    assert_eq!(a.length(list), 1);
}
