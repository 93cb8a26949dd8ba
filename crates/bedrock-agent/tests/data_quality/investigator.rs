//! Claims the night, reads log and events, asks the scans by SQL, puts together what the others have
//! handed over, and leaves a report.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::talk::{Answer, Mind, Next, finding, query, read};

const LOG: &str = "input/logs/nightly.log.zst";
const PARTNER: &str = "input/events/partner.jsonl.gz";
const SCANS: &str = "input/events/scans.avro";
const CLAIM: &str = "claims/nightly";
pub(crate) const REPORT: &str = "output/reports/nightly.md";

#[derive(Default)]
enum Phase {
    #[default]
    Start,
    Claimed,
    Informed,
    Reading,
    Asked,
    Reported,
    Listed,
}

#[derive(Default)]
pub(crate) struct Investigator {
    phase: Phase,
    profile: Value,
    models: Value,
    to_read: VecDeque<&'static str>,
    log: Vec<(u64, String)>,
    partner: Vec<(u64, String)>,
    scans: Vec<(u64, String)>,
}

impl Mind for Investigator {
    fn think(&mut self, answers: &[Answer]) -> Next {
        match self.phase {
            Phase::Start => {
                self.phase = Phase::Claimed;
                let value = json!({ "doing": "the load of last night" });
                let claim = json!({ "key": CLAIM, "value": value, "expected_version": 0 });
                Next::Ask(vec![("write_state", claim)])
            }
            Phase::Claimed if !answers[0].succeeded => {
                assert!(answers[0].text.starts_with("conflict: "), "{}", answers[0].text);
                Next::Say("I stop: another agent has it.".to_owned())
            }
            Phase::Claimed => {
                self.phase = Phase::Informed;
                let keys = ["profile/warehouse", "models/dbt"];
                Next::Ask(keys.map(|key| ("read_state", json!({ "key": key }))).into())
            }
            Phase::Informed => {
                self.phase = Phase::Reading;
                self.profile = answers[0].json()["value"].clone();
                self.models = answers[1].json()["value"].clone();
                self.to_read = [LOG, PARTNER].into();
                Next::Ask(vec![read(LOG, 1)])
            }
            Phase::Reading => {
                self.keep(&answers[0]);
                let mut next = answers[0].json()["next_offset"].as_u64();
                if next.is_none() {
                    self.to_read.pop_front();
                    next = Some(1);
                }
                match (self.to_read.front(), next) {
                    (Some(path), Some(offset)) => Next::Ask(vec![read(path, offset)]),
                    _ => {
                        self.phase = Phase::Asked;
                        Next::Ask(vec![self.unknown_shipments()])
                    }
                }
            }
            Phase::Asked => {
                self.scans = answers[0].rows();
                self.phase = Phase::Reported;
                Next::Ask(self.report())
            }
            Phase::Reported => {
                assert!(answers.iter().all(|answer| answer.succeeded), "{}", answers[0].text);
                self.phase = Phase::Listed;
                Next::Ask(vec![("list_findings", json!({ "run": "night" }))])
            }
            Phase::Listed if answers[0].text.starts_with("input/") => {
                let content =
                    format!("# Last night's load\n\nNot to be trusted:\n\n{}\n", answers[0].text);
                Next::Ask(vec![("write_file", json!({ "path": REPORT, "content": content }))])
            }
            Phase::Listed => {
                assert_eq!(answers[0].json()["status"], "created");
                Next::Say("The load cannot be trusted.".to_owned())
            }
        }
    }
}

impl Investigator {
    fn keep(&mut self, answer: &Answer) {
        match self.to_read.front() {
            Some(&PARTNER) => self.partner.extend(answer.lines()),
            _ => self.log.extend(answer.lines()),
        }
    }

    /// Asks for scans of shipments that are not in the warehouse, by the keys of the profile.
    fn unknown_shipments(&self) -> (&'static str, Value) {
        let keys = self.profile["tables"]["shipments"]["keys"].as_array().unwrap().iter();
        let keys: Vec<String> = keys.map(|key| format!("'{}'", key.as_str().unwrap())).collect();
        let sql = format!(
            "SELECT _line, * FROM scans WHERE shipment_id NOT IN ({}) ORDER BY _line",
            keys.join(", ")
        );
        query(&sql, &[("scans", SCANS)])
    }

    fn report(&self) -> Vec<(&'static str, Value)> {
        let mut asked = Vec::new();
        let mut report = |rule: &str, path: &str, message: &str, rows: Vec<(u64, String)>| {
            if !rows.is_empty() {
                asked.push(finding(rule, path, message, &rows));
            }
        };
        let tables = &self.profile["tables"];
        let wrong = self.log.iter().filter(|(_, line)| {
            let Some((_, load)) = line.split_once(" INFO load ") else { return false };
            let (table, counts) = load.split_once(": ").unwrap();
            let wrote = counts.split("wrote ").nth(1).unwrap().trim_end_matches(" rows");
            tables[table]["rows"].as_u64() != wrote.parse().ok()
        });
        report(
            "load/count-mismatch",
            LOG,
            "the log tells of more rows than the table has",
            wrong.cloned().collect(),
        );
        let no_json =
            self.partner.iter().filter(|(_, line)| serde_json::from_str::<Value>(line).is_err());
        report("events/malformed-json", PARTNER, "lines are no JSON", no_json.cloned().collect());
        report(
            "events/unknown-shipment",
            SCANS,
            "scans of shipments that are not in the warehouse",
            self.scans.clone(),
        );
        let found = asked.len();
        let in_doubt = self.models["in_doubt"].as_object().unwrap().iter();
        let mend: Vec<String> = in_doubt
            .map(|(column, at)| {
                format!("{column} is null and {} hides it", at["model"].as_str().unwrap())
            })
            .collect();
        let value = json!({ "trusted": found == 0, "mend_first": mend });
        asked.push(("write_state", json!({ "key": "conclusion/nightly", "value": value })));
        let value = json!({ "done": true });
        asked.push(("write_state", json!({ "key": CLAIM, "value": value, "expected_version": 1 })));
        asked
    }
}
