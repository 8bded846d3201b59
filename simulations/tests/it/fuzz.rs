//! Small operations in which everything goes wrong: the rules hold.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use simulations::fuzz::{Case, play};
use simulations::many;
use simulations::trouble::Class;
use synth::hostile::bears;

use crate::bodies;

/// `HEAVY=1` plays ten thousand seeds.
#[test]
fn whatever_goes_wrong_the_rules_hold() {
    let seeds = if std::env::var_os("HEAVY").is_some() { 10_000 } else { 200 };
    let (mut struck, mut captures): (BTreeMap<Class, u64>, _) = (BTreeMap::new(), (0, 0));
    let mut broken = Vec::new();
    let all: Vec<u64> = (0..seeds).collect();
    let one = |seed: &u64| (*seed, play(&Case::draw(*seed)));
    many::each(&all, many::cores(), &AtomicBool::new(false), one, |(seed, played)| {
        played.struck.iter().for_each(|(class, times)| *struck.entry(*class).or_default() += times);
        captures = (captures.0 + played.captures.0, captures.1 + played.captures.1);
        broken.extend(played.failure.map(|failure| format!("greenline sim replay --seed {seed}: {failure:?}")));
        ControlFlow::Continue(())
    });
    println!("{seeds} seeds, {} captures, {} of them at the hub, {struck:?}", captures.0, captures.1);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    // A sort of trouble that never strikes proves nothing.
    let silent: Vec<Class> = Class::ALL.into_iter().filter(|class| !struck.contains_key(class)).collect();
    assert!(silent.is_empty(), "never struck: {silent:?}");
    assert!(captures.1 * 10 > captures.0 * 7, "most captures arrive: {captures:?}");
}

#[test]
fn a_case_comes_to_the_same_whenever_it_is_played_and_from_whatever_file() {
    for seed in [3, 11, 57] {
        let case = Case::draw(seed);
        let read = Case::from_toml(&case.to_toml()).unwrap();
        assert_eq!(read, case);
        assert!(play(&case) == play(&read), "seed {seed}");
    }
    assert!(play(&Case::draw(1)).hash != play(&Case::draw(2)).hash);
}

/// Leaving something out must not shift what else is drawn.
#[test]
fn one_trouble_less_leaves_the_others_as_they_were() {
    let case = Case::draw(8);
    assert!(case.trouble.len() > 3);
    let mut fewer = case.clone();
    let _ = fewer.trouble.remove(1);
    let (all, fewer) = (play(&case), play(&fewer));
    assert!(all.failure.is_none() && fewer.failure.is_none());
    let times = |played: &BTreeMap<Class, u64>| played.values().sum::<u64>();
    assert!(times(&all.struck) >= times(&fewer.struck) && all.captures == fewer.captures);
}

/// Each file is what once broke a rule; its first lines say why, and what mended it.
#[test]
fn what_once_broke_a_rule_breaks_none_any_more() {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "regressions"].iter().collect();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let case = Case::from_toml(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let played = play(&case);
        assert!(played.failure.is_none(), "{}: {:?}", path.display(), played.failure);
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn a_file_that_holds_no_case_is_refused_with_the_place() {
    let whole = Case::draw(5).to_toml();
    for (damage, says) in [
        (whole.replace("calm_ms", "calm"), "unknown field `calm`"),
        (whole.replace("bits_per_s = ", "bits_per_s = 0 #"), "`bits_per_s`"),
        (whole.replace("[[devices]]", "[[gadgets]]"), "unknown field `gadgets`"),
        (whole[..whole.len() / 2].to_owned() + "\n]", "TOML parse error at line"),
    ] {
        let error = Case::from_toml(&damage).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn hostile_files_are_a_case_that_can_be_played_or_an_error() {
    let mut small = Case::draw(1);
    small.devices.truncate(3);
    small.contacts.retain(|it| it.2.max(it.3) < 3);
    small.captures.retain(|it| it.1 < 3);
    small.trouble.truncate(12);
    let all = Case::draw(9).to_toml();
    bears("schedules of trouble", &[("small", small.to_toml().into()), ("all", all.into())], 150, bodies::case);
}
