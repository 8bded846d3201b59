//! What simulations are told in: pages and tables that other programs, and people in a browser, go on with.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::{greenline, skipped};

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// A short operation.
const DAY: [&str; 3] = ["stonebrood", "--set", "lasts=1 d"];

/// Moves the slider to both ends, sorts a table, and writes down what the picture shows.
const PROBE: &str = r##"<script>
const seen = [0, 9999].map((step) => {
  const slider = document.querySelector("#replay input");
  slider.value = step;
  slider.dispatchEvent(new Event("input"));
  const first = document.querySelector("#replay g.device").getAttribute("transform");
  return [document.querySelector("#replay output").textContent, document.querySelector("#replay .links").getAttribute("d"), first].join("|");
});
document.querySelector("table.sorts th button").click();
document.body.append(Object.assign(document.createElement("p"), { textContent: `${seen[0]} ${seen[0] !== seen[1] ? "moves" : "stands still"}` }));
</script>"##;

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_run_is_told_in_three_files_and_none_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/out");
    let run = |more: &[&str]| greenline([&["sim", "run"], &DAY[..], &["--out", &out.to_string_lossy()], more].concat());
    let told: Value = serde_json::from_str(&run(&["--seeds", "2", "--json"]).ok()).unwrap();
    let summary = json(&out.join("summary.json"));
    assert_eq!(summary, told, "what is printed is what is written");
    assert_ne!(summary["runs"][0]["hash"], summary["runs"][1]["hash"]);
    let events = fs::read_to_string(out.join("events.jsonl")).unwrap();
    let captured = events.lines().filter(|line| line.contains("\"captured\"")).count();
    assert_eq!(captured as f64, told["measures"]["captures"]["by_run"][0].as_f64().unwrap());
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("stonebrood, lasts=1 d") && page.contains("[groups.officers]"), "the scenario is on it");

    let again = run(&[]);
    assert!(
        again.code == Some(1) && again.err.contains("is there already") && again.err.contains("Hint: "),
        "{}",
        again.err
    );
    assert_eq!(page, fs::read_to_string(out.join("report.html")).unwrap());
}

#[test]
fn settings_are_held_against_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_string_lossy().into_owned();
    let compare = |more: &[&str]| greenline([&["sim", "compare"], &DAY[..], &["--seeds", "2"], more].concat());
    let told = compare(&["--set-b", "screening=3 h", "--out", &out]).ok();
    assert!(told.contains("Second: stonebrood, lasts=1 d, screening=3 h") && told.contains("the same"), "{told}");
    let compared = json(&folder.path().join("compare.json"));
    assert_eq!(compared["seeds"], serde_json::json!([1, 2]));
    assert_eq!(compared["measures"]["delivered"]["standing"], "same");
    assert!(compared["measures"]["answer_at_best_p50_ms"]["difference"]["mean"].as_f64().unwrap() > 0.0);
    assert!(fs::read_to_string(folder.path().join("compare.html")).unwrap().contains("screening=3 h"));
    let alone = compare(&[]);
    assert!(alone.code == Some(1) && alone.err.contains("--set-b"), "{}", alone.err);
}

#[test]
fn a_sweep_makes_a_map_and_a_table_of_every_combination() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_string_lossy().into_owned();
    let sweep = |more: &[&str]| greenline([&["sim", "sweep", "stonebrood"], more].concat());
    let told = sweep(&["--over", "lasts=1 d,2 d", "--over", "contacts.radio=ble,wifi-ap", "--out", &out]).ok();
    assert!(told.starts_with("LASTS") && told.contains("CONTACTS.RADIO"), "{told}");
    assert_eq!(fs::read_to_string(folder.path().join("sweep.csv")).unwrap().lines().count(), 5);
    assert_eq!(json(&folder.path().join("sweep.json"))["points"][3]["set"]["contacts.radio"], "wifi-ap");
    assert!(fs::read_to_string(folder.path().join("sweep.html")).unwrap().contains("wifi-ap"));
    for (more, code, said) in [
        (&["--over", "lasts"][..], 2, "give a key and its values"),
        (&["--over", "lasts=1 d,,2 d"], 2, "give a key and its values"),
        (&["--over", "lasts=1 d", "--over", "lasts=2 d"], 1, "give all its values in one"),
        (&["--over", "a=1", "--over", "b=1", "--over", "c=1"], 1, "--set"),
        (&["--over", "contacts.radio=ble,blue"], 1, "blue"),
    ] {
        let ran = sweep(more);
        assert!(ran.code == Some(code) && ran.err.contains(said), "{more:?}: {}", ran.err);
    }
}

#[test]
fn a_report_opens_offline_and_its_slider_moves_the_picture() {
    let Some(browser) = BROWSERS.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok()) else {
        return skipped("the report in a browser: there is no chromium");
    };
    let folder = tempfile::tempdir().unwrap();
    let told = greenline([&["sim", "run"], &DAY[..], &["--out", &folder.path().to_string_lossy()]].concat()).ok();
    assert!(told.contains("report.html"), "{told}");
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    let probed = folder.path().join("probed.html");
    fs::write(&probed, page.replace("</body>", &format!("{PROBE}</body>"))).unwrap();
    let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
    let args = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000", "--dump-dom", &profile];
    let ran = Command::new(browser).args(args).arg(format!("file://{}", probed.display())).output().unwrap();
    let dom = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(dom.contains("day 1, 00:00") && dom.contains(" moves</p>"), "the picture stands still");
    assert!(dom.contains("aria-sort=\"descending\""), "a click on a column's name sorts by it");
    assert!(
        dom.contains("class=\"controls\"") && !dom.contains("class=\"controls\" hidden"),
        "the slider is to be seen"
    );
}

/// Trouble in a planner's own operation: told, counted, played again with the line that is printed.
#[test]
fn trouble_in_a_scenario_is_told_and_can_be_played_again() {
    let faults = ["--set", "faults.crash={total=3}", "--set", "faults.off={total=2}"];
    let told: Value =
        serde_json::from_str(&greenline([&["sim", "run"], &DAY[..], &faults, &["--json"]].concat()).ok()).unwrap();
    assert_eq!(told["faults"]["struck"]["crash"], 3, "{}", told["faults"]);
    assert_eq!(told["faults"]["broken"], serde_json::json!([]));
    let printed = greenline([&["sim", "run"], &DAY[..], &faults].concat()).ok();
    assert!(printed.contains("TROUBLE") && printed.contains("All rules hold."), "{printed}");

    let fuzzed: Value =
        serde_json::from_str(&greenline([&["sim", "fuzz"], &DAY[..], &["--seeds", "12", "--json"]].concat()).ok())
            .unwrap();
    assert!(fuzzed["seeds"] == 12 && fuzzed["struck"].as_object().unwrap().len() > 8, "{fuzzed}");
    let again = greenline(["sim", "replay", "--scenario", "stonebrood", "--set", "lasts=1 d", "--seed", "2"]).ok();
    assert!(again.contains("All rules hold.") && again.contains("twice"), "{again}");

    let never = greenline([&["sim", "run"], &DAY[..], &["--set", "faults.portal=true"]].concat());
    assert_eq!(never.code, Some(1));
    assert!(
        never.err.contains("never struck: portal") && never.err.contains("--set faults.portal=false"),
        "{}",
        never.err
    );
}
