//! Attacks as data (`attacks.toml`): each through every door, in both ways of resolving paths.
#![cfg(test)]
#![cfg(target_os = "linux")]

mod door;
mod workspace;

use serde::Deserialize;
use serde_json::Value;

use workspace::{SECRET, Site};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    name: String,
    tool: String,
    arguments: Value,
    outcome: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attacks {
    attack: Vec<Attack>,
}

fn every_attack_fails(resolution: &'static str) {
    let attacks: Attacks = toml::from_str(include_str!("attacks.toml")).unwrap();
    let site = Site::new();
    let before = site.untouchable();
    let mut wrong = Vec::new();
    for mut door in door::all(&site, resolution) {
        for attack in &attacks.attack {
            let ended = door.call(&attack.tool, &attack.arguments);
            let at = format!("{} through {} ({resolution})", attack.name, door.name());
            if ended.answer.contains(SECRET) {
                wrong.push(format!("{at}: the secret is in the answer: {}", ended.answer));
            }
            if ended.outcome != attack.outcome {
                let (outcome, answer) = (&ended.outcome, &ended.answer);
                wrong.push(format!("{at}: {outcome}, not {}: {answer}", attack.outcome));
            }
        }
        let now = site.untouchable();
        assert!(now == before, "something changed through {} ({resolution})", door.name());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_attack_fails_where_the_kernel_resolves_paths() {
    every_attack_fails("auto");
}

#[test]
fn every_attack_fails_where_the_server_resolves_paths() {
    every_attack_fails("components");
}

#[test]
fn the_secret_is_seen_by_whoever_may_read_it() {
    // Else the test above could not fail.
    let site = Site::new();
    let text = workspace::POLICY.replace("\"input/**\", \"state", "\"**\", \"state");
    std::fs::write(site.policy(), text).unwrap();
    for mut door in door::all(&site, "auto").into_iter().take(3) {
        let arguments = serde_json::json!({ "path": "private/notes.txt" });
        let ended = door.call("read_file", &arguments);
        assert!(ended.answer.contains(SECRET), "{}: {}", door.name(), ended.answer);
        assert_eq!(ended.outcome, "ok");
    }
}
