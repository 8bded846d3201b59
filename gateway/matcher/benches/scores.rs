//! The evidence for `src/score.rs`: how prints of one finger score against each other, and how those of others do.
//!
//! ```text
//! cargo bench -p matcher --bench scores              200 synthetic people, ten fingers each; four minutes on two cores
//! cargo bench -p matcher --bench scores -- 40        fewer people
//! cargo bench -p matcher --bench scores -- FOLDER    real prints from another folder than ../shared/samples
//! ```
//!
//! Prints are taken to templates by worker processes, as in a hub, and compared in this process, since a search keeps only the
//! strongest. It is one thread: the C code's tables have one user.

#![allow(clippy::unwrap_used)]

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use matcher::{Fused, Matcher, Pool, Print, Template, score::threshold};
use synth::{Person, Quality, print_png};

/// Under this argument the process is a worker.
const WORKER: &str = "worker";
const PEOPLE: usize = 200;
const SEED: u64 = 2026;
/// Each person is compared with so many others.
const OTHERS: usize = 50;
/// What is on file, what is searched with, and a worn taking of the latter.
const TAKINGS: [Quality; 3] = [Quality::Good, Quality::Good, Quality::Worn];
const ON_FILE: usize = 0;
const GOOD: usize = 1;
const WORN: usize = 2;
/// Fingers, by index, that are fused: each one, both of a kind, both index and middle (and ring and little) fingers, all.
const GROUPS: [&[&[usize]]; 4] = [
    &[&[0], &[1], &[2], &[3], &[4], &[5], &[6], &[7], &[8], &[9]],
    &[&[0, 5], &[1, 6], &[2, 7], &[3, 8], &[4, 9]],
    &[&[1, 2, 6, 7], &[3, 4, 8, 9]],
    &[&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
];
const HISTOGRAM_ROWS: u32 = 12;

/// Templates by person, finger and taking.
type Prints = Vec<Vec<Vec<Template>>>;
/// Scores by finger; nothing where a print is too poor.
type Scores = Vec<Option<u32>>;

fn main() {
    if env::args().any(|argument| argument == WORKER) {
        return matcher::serve(io::stdin(), io::stdout()).unwrap();
    }
    let people = env::args().find_map(|argument| argument.parse().ok()).unwrap_or(PEOPLE).max(2);
    println!("{people} synthetic people, ten fingers each, seed {SEED}");
    let pool = Pool::start(vec![env::current_exe().unwrap().into(), WORKER.into()], cores()).unwrap();
    let prints = take(&pool, people);
    say_poor(&prints);
    say_smudged(&pool, people);
    let mut matcher = Matcher::claim().unwrap();
    let compared = Compared::all(&mut matcher, &prints);
    for groups in GROUPS {
        compared.say(groups);
    }
    say_times(&mut matcher, &prints);
    real(&mut matcher);
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Everybody's prints, on all cores.
fn take(pool: &Pool, people: usize) -> Prints {
    let began = Instant::now();
    let prints = in_parallel(people, |number| {
        let finger = |position| {
            let master = Person::new(SEED, number as u32).finger(position);
            let taking = |(index, quality)| template(pool, &print_png(&master.impression(index, quality)));
            (0..).zip(TAKINGS).map(taking).collect()
        };
        (1..=10).map(finger).collect()
    });
    println!("drawn and taken to templates in {:.0} s", began.elapsed().as_secs_f64());
    prints
}

fn template(pool: &Pool, picture: &[u8]) -> Template {
    pool.extract(picture).unwrap().template
}

fn in_parallel<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| {
                while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < count) {
                    let result = work(number);
                    done.lock().unwrap().push((number, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

fn say_poor(prints: &Prints) {
    let count = prints.len() * 10;
    for (taking, name) in [(ON_FILE, "good"), (WORN, "worn")] {
        let takings: Vec<&Template> = prints.iter().flatten().map(|takings| &takings[taking]).collect();
        let poor = takings.iter().filter(|template| template.quality().is_err()).count();
        let mut minutiae: Vec<u32> = takings.iter().map(|template| template.minutiae().len() as u32).collect();
        minutiae.sort_unstable();
        println!("{name}: {poor} of {count} prints too poor to search; minutiae {}", quantiles(&minutiae));
    }
}

fn say_smudged(pool: &Pool, people: usize) {
    let smudged = in_parallel(people, |number| {
        let picture = Person::new(SEED, number as u32).finger(2).impression(0, Quality::Smudged);
        template(pool, &print_png(&picture)).quality().is_err()
    });
    println!("smudged: {} of {people} prints too poor to search", smudged.iter().filter(|poor| **poor).count());
}

/// All comparisons.
struct Compared {
    same_good: Vec<Scores>,
    same_worn: Vec<Scores>,
    other: Vec<Scores>,
}

impl Compared {
    fn all(matcher: &mut Matcher, prints: &Prints) -> Self {
        let people = prints.len();
        let mut pairs = |taking, steps: std::ops::Range<usize>| {
            let of = |number: usize| steps.clone().map(move |step| (number, (number + step) % people));
            let pairs = (0..people).flat_map(of);
            pairs.map(|(probe, on_file)| compare(matcher, &prints[probe], taking, &prints[on_file])).collect()
        };
        Self {
            same_good: pairs(GOOD, 0..1),
            same_worn: pairs(WORN, 0..1),
            other: pairs(GOOD, 1..people.min(OTHERS + 1)),
        }
    }

    /// One table: the fused scores of these groups of fingers.
    fn say(&self, groups: &[&[usize]]) {
        let fingers = groups[0].len();
        let limit = threshold(fingers as u8);
        println!("\n{fingers} finger{}, threshold {limit}", if fingers == 1 { "" } else { "s" });
        let [same, worn, other] = [&self.same_good, &self.same_worn, &self.other].map(|scores| fuse(scores, groups));
        println!("  same, good   {}", distribution(&same, fingers));
        println!("  same, worn   {}", distribution(&worn, fingers));
        println!("  other        {}", distribution(&other, fingers));
        println!("  same, good, below the threshold:  {}", rate(&same, |fused| !fused.is_candidate()));
        println!("  same, worn, below the threshold:  {}", rate(&worn, |fused| !fused.is_candidate()));
        println!("  other, at or above the threshold: {}", rate(&other, |fused| fused.is_candidate()));
        histogram(&same, &other, limit);
    }
}

fn compare(matcher: &mut Matcher, probe: &[Vec<Template>], taking: usize, on_file: &[Vec<Template>]) -> Scores {
    let usable = |template: &Template| template.quality().is_ok();
    let score = |(probe, on_file): (&Vec<Template>, &Vec<Template>)| {
        let (probe, on_file) = (&probe[taking], &on_file[ON_FILE]);
        (usable(probe) && usable(on_file)).then(|| matcher.probe(probe).score(on_file))?
    };
    probe.iter().zip(on_file).map(score).collect()
}

/// Sums as a search makes them: over the fingers that are usable on both sides.
fn fuse(scores: &[Scores], groups: &[&[usize]]) -> Vec<Fused> {
    let sum = |scores: &Scores, group: &[usize]| {
        let mut fused = Fused::default();
        group.iter().filter_map(|finger| scores[*finger]).for_each(|score| fused.add(score));
        fused
    };
    let all = scores.iter().flat_map(|scores| groups.iter().map(|group| sum(scores, group)));
    all.filter(|fused| fused.fingers > 0).collect()
}

/// Of those in which all fingers count: sums over fewer aren't comparable.
fn distribution(all: &[Fused], fingers: usize) -> String {
    let mut scores: Vec<u32> =
        all.iter().filter(|fused| usize::from(fused.fingers) == fingers).map(|fused| fused.score).collect();
    scores.sort_unstable();
    format!("{:7} pairs: {}", scores.len(), quantiles(&scores))
}

fn quantiles(sorted: &[u32]) -> String {
    let Some(last) = sorted.len().checked_sub(1) else { return "none".to_owned() };
    let at = |share: f64| sorted[(last as f64 * share).round() as usize];
    let named = [("min", 0.0), ("0.1 %", 0.001), ("1 %", 0.01), ("10 %", 0.1), ("50 %", 0.5), ("90 %", 0.9)];
    let upper = [("99 %", 0.99), ("99.9 %", 0.999), ("max", 1.0)];
    named.iter().chain(&upper).map(|(name, share)| format!("{name} {}", at(*share))).collect::<Vec<_>>().join(", ")
}

/// How many, as a share, and what the share is at most with 95 % confidence (Wilson's bound), were the pairs independent.
fn rate(all: &[Fused], wrong: impl Fn(&Fused) -> bool) -> String {
    let (count, wrong) = (all.len() as f64, all.iter().filter(|fused| wrong(fused)).count());
    let (share, z) = (wrong as f64 / count, 1.645_f64);
    let spread = z * (share * (1.0 - share) / count + z * z / (4.0 * count * count)).sqrt();
    let most = (share + z * z / (2.0 * count) + spread) / (1.0 + z * z / count);
    format!("{wrong} of {count} ({:.3} %, at most {:.3} %)", 100.0 * share, 100.0 * most)
}

fn histogram(same: &[Fused], other: &[Fused], limit: u32) {
    let step = limit.div_ceil(4);
    let share = |all: &[Fused], row: u32| {
        let inside = |fused: &&Fused| (fused.score / step).min(HISTOGRAM_ROWS - 1) == row;
        100.0 * all.iter().filter(inside).count() as f64 / all.len() as f64
    };
    for row in 0..HISTOGRAM_ROWS {
        let [same, other] = [same, other].map(|all| share(all, row));
        let bar = |share: f64, mark: &str| mark.repeat((share / 4.0).ceil() as usize);
        let above = if row == HISTOGRAM_ROWS - 1 { "+" } else { " " };
        println!(
            "  {:4}{above} other {other:6.2} % {:25} same {same:6.2} % {}",
            row * step,
            bar(other, "o"),
            bar(same, "s")
        );
    }
}

/// On one core, though others may use this machine too.
fn say_times(matcher: &mut Matcher, prints: &Prints) {
    let picture = print_png(&Person::new(SEED, 0).finger(2).impression(GOOD as u32, Quality::Good));
    let extract = timed(20, |_| _ = matcher.extract(&Print::decode(&picture).unwrap()).unwrap());
    let of = |pair: usize, taking: usize| &prints[(pair + taking) % prints.len()][pair % 10][taking];
    let compare = timed(500, |pair| _ = matcher.probe(of(pair, GOOD)).score(of(pair, ON_FILE)));
    println!("\none core: extract {extract:.1} ms, compare {compare:.2} ms (mean)");
}

/// Milliseconds a run.
fn timed(runs: usize, run: impl FnMut(usize)) -> f64 {
    let began = Instant::now();
    (0..runs).for_each(run);
    began.elapsed().as_secs_f64() * 1e3 / runs as f64
}

/// The second check: prints that were not made for this matcher, where they are at hand.
fn real(matcher: &mut Matcher) {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    let samples = env::args().skip(1).map(PathBuf::from).find(|argument| argument.is_dir()).unwrap_or(usual);
    println!("\nPrints from elsewhere");
    sfinge(matcher, &samples.join("fp_sfinge"));
    card(matcher, &samples.join("fp_tpcard_pairs"));
}

/// Five different fingers.
fn sfinge(matcher: &mut Matcher, folder: &Path) {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "pgm"));
    files.sort();
    if files.is_empty() {
        return println!("  SKIPPED: no samples of another print generator at hand");
    }
    let templates: Vec<Template> = files.iter().filter_map(|file| read(matcher, file)).collect();
    let pairs = (0..templates.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    let mut scores: Vec<u32> = pairs.filter_map(|(a, b)| matcher.probe(&templates[a]).score(&templates[b])).collect();
    scores.sort_unstable();
    println!("  another generator, other fingers: {scores:?}");
}

/// A card of a real, anonymous person, long published by NIST: ten rolled prints, and plain ones of the same fingers.
fn card(matcher: &mut Matcher, folder: &Path) {
    if !folder.is_dir() {
        return println!("  SKIPPED: no real card at hand");
    }
    let Some(decoded) = decode_wsq(folder) else {
        return println!("  SKIPPED: the real card is WSQ, and python3 has no module `wsq` to decode it");
    };
    let mut read = |name: String| read(matcher, &decoded.path().join(name));
    let rolled: Vec<Template> = (1..=10).filter_map(|n| read(format!("fgp{n:02}_rolled.png"))).collect();
    let plain: Vec<Template> = (11..=14).filter_map(|n| read(format!("fgp{n:02}_plain.png"))).collect();
    if rolled.len() != 10 || plain.len() != 4 {
        return println!("  SKIPPED: the real card isn't whole");
    }
    // Plain prints: right thumb, left thumb, the four others of the right hand, of the left.
    let shown_on = |finger: usize| match finger {
        0 => 0,
        5 => 1,
        1..5 => 2,
        _ => 3,
    };
    let mut score = |rolled: &Template, plain: &Template| matcher.probe(rolled).score(plain).unwrap_or(0);
    let same: Vec<u32> = (0..10).map(|finger| score(&rolled[finger], &plain[shown_on(finger)])).collect();
    let others =
        (0..10).flat_map(|finger| (0..4).filter(move |shown| *shown != shown_on(finger)).map(move |s| (finger, s)));
    let other = others.map(|(finger, shown)| score(&rolled[finger], &plain[shown])).max().unwrap_or(0);
    println!("  a real card, rolled against plain, by finger: {same:?}, sum {}", same.iter().sum::<u32>());
    println!("  its other fingers: at most {other}; ten fingers' threshold {}", threshold(10));
}

fn read(matcher: &mut Matcher, file: &Path) -> Option<Template> {
    matcher.extract(&Print::decode(&fs::read(file).ok()?).ok()?).ok()
}

/// No Rust crate decodes WSQ; the Python one is used where it is installed.
fn decode_wsq(folder: &Path) -> Option<tempfile::TempDir> {
    const SCRIPT: &str = "import sys, pathlib, wsq\n\
        from PIL import Image\n\
        for file in pathlib.Path(sys.argv[1]).glob('*.wsq'):\n    \
            Image.open(file).convert('L').save(pathlib.Path(sys.argv[2]) / (file.stem + '.png'))\n";
    let decoded = tempfile::tempdir().ok()?;
    let arguments = [OsString::from("-c"), SCRIPT.into(), folder.into(), decoded.path().into()];
    let status = Command::new("python3").args(arguments).stderr(Stdio::null()).status().ok()?;
    status.success().then_some(decoded)
}
