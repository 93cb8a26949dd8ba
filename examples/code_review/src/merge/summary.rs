//! The summary of a run, for people and for machines.

use std::collections::BTreeMap;
use std::fmt::Write;

use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::records::export::describe::{agents, place, severity_name, title};
use mcp_workspace_tools::records::export::escaped;
use mcp_workspace_tools::records::merged::MergedFindings;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::agents::Phase;
use crate::decisions::{Listed, Standing};
use crate::merge::Merged;
use crate::outcome::Outcome;

/// The version of the form of `summary.json`.
const FORMAT: u32 = 1;

/// All that a summary tells.
pub(super) struct Summary<'a> {
    pub run: &'a Name,
    pub merged: &'a Merged,
    pub findings: &'a MergedFindings,
    pub outcomes: &'a [Outcome],
    pub standing: &'a Standing,
    /// What was cut from the SARIF for its readers' limits.
    pub notes: &'a [String],
}

impl Summary<'_> {
    /// For people. What agents wrote is escaped.
    pub(super) fn markdown(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let merged = self.merged;
        writeln!(out, "# Review of {}\n", escaped(self.run.as_str()))?;
        let severities = ["critical", "high", "medium", "low", "info"];
        let counts: Vec<String> = severities
            .iter()
            .filter_map(|name| Some(format!("{} {name}", merged.by_severity.get(*name)?)))
            .collect();
        let counts =
            if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) };
        writeln!(out, "- findings: {}{counts}", merged.findings)?;
        writeln!(out, "- proposals: {}", self.proposals_in_words())?;
        match merged.cost_usd {
            Some(usd) => writeln!(out, "- cost: {usd:.4} USD")?,
            None => writeln!(out, "- cost: not known; give the model's prices to have it counted")?,
        }
        let done = self.outcomes.len() - merged.failed.len();
        writeln!(out, "- agents: {done} of {} are done", self.outcomes.len())?;
        self.failures(out)?;
        self.agents(out)?;
        self.list_findings(out)?;
        self.list_proposals(out)
    }

    fn proposals_in_words(&self) -> String {
        let lists = self.lists();
        let counts: Vec<String> = lists
            .iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(state, list)| format!("{} {state}", list.len()))
            .collect();
        if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
    }

    fn failures(&self, out: &mut String) -> std::fmt::Result {
        let Merged { failed, damaged, .. } = self.merged;
        if failed.is_empty() && damaged.is_empty() && self.standing.unreadable.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n## What failed\n")?;
        for (agent, reason) in failed {
            writeln!(out, "- agent {}: {}", escaped(agent.as_str()), escaped(reason))?;
        }
        for (path, problem) in damaged {
            writeln!(out, "- finding {}: {}", escaped(path), escaped(problem))?;
        }
        for (id, problem) in &self.standing.unreadable {
            writeln!(out, "- proposal {}: {}", escaped(id), escaped(problem))?;
        }
        Ok(())
    }

    fn agents(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n## Agents\n")?;
        writeln!(
            out,
            "| agent | ended | findings | turns | tool calls | tokens in | tokens out | USD |"
        )?;
        writeln!(out, "|---|---|---:|---:|---:|---:|---:|---:|")?;
        let seen = self.by_agent();
        for outcome in self.outcomes {
            let cost = outcome.cost_usd.map_or_else(|| "–".to_owned(), |usd| format!("{usd:.4}"));
            let found = match outcome.phase {
                Phase::Review => seen.get(outcome.agent.as_str()).copied().unwrap_or(0).to_string(),
                Phase::Remedy => "–".to_owned(),
            };
            writeln!(
                out,
                "| {} | {} | {found} | {} | {} | {} | {} | {cost} |",
                escaped(outcome.agent.as_str()),
                escaped(&outcome.ending),
                outcome.turns,
                outcome.tool_calls,
                outcome.input_tokens,
                outcome.output_tokens,
            )?;
        }
        Ok(())
    }

    fn by_agent(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for finding in &self.findings.findings {
            for seen in &finding.seen {
                *counts.entry(seen.agent.as_str()).or_default() += 1;
            }
        }
        counts
    }

    fn list_findings(&self, out: &mut String) -> std::fmt::Result {
        if self.findings.findings.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n## Findings\n")?;
        writeln!(out, "| severity | where | what | rule | seen by |\n|---|---|---|---|---|")?;
        for finding in &self.findings.findings {
            writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                severity_name(finding.severity),
                escaped(&place(finding)),
                escaped(title(finding)),
                escaped(&finding.rule_id),
                escaped(&agents(finding).join(", ")),
            )?;
        }
        for note in self.notes {
            writeln!(out, "\n{}", escaped(note))?;
        }
        Ok(())
    }

    fn list_proposals(&self, out: &mut String) -> std::fmt::Result {
        if self.standing.count() == 0 {
            return Ok(());
        }
        writeln!(out, "\n## Proposals\n")?;
        writeln!(out, "| state | id | what | files |\n|---|---|---|---|")?;
        for (state, list) in self.lists() {
            for Listed { id, title, paths, .. } in list {
                let paths: Vec<&str> = paths.iter().map(|path| self.within(path)).collect();
                let (title, paths) = (escaped(title), escaped(&paths.join(", ")));
                writeln!(out, "| {state} | {} | {title} | {paths} |", escaped(id))?;
            }
        }
        Ok(())
    }

    /// A path as the sources have it.
    fn within<'p>(&self, path: &'p str) -> &'p str {
        let mark = format!("/{}/", self.run);
        path.split_once(&mark).map_or(path, |(_, within)| within)
    }

    fn lists(&self) -> [(&'static str, &[Listed]); 7] {
        let Standing {
            proposed,
            approved,
            rejected,
            applied,
            reverted,
            conflicted,
            superseded,
            ..
        } = self.standing;
        [
            ("proposed", proposed),
            ("approved", approved),
            ("applied", applied),
            ("rejected", rejected),
            ("conflicted", conflicted),
            ("superseded", superseded),
            ("reverted", reverted),
        ]
    }

    /// For machines. `files` are the report's other files.
    pub(super) fn json(&self, files: &[(&str, &str)]) -> String {
        let files: BTreeMap<&str, Value> = files
            .iter()
            .map(|(name, text)| (*name, json!({ "sha256": hex(text), "bytes": text.len() })))
            .collect();
        let document = json!({
            "format": FORMAT,
            "run": self.run,
            "findings": self.merged.findings,
            "by_severity": self.merged.by_severity,
            "cost_usd": self.merged.cost_usd,
            "failed": self.merged.failed,
            "damaged": self.merged.damaged,
            "notes": self.notes,
            "agents": self.outcomes,
            "proposals": self.standing,
            "files": files,
        });
        format!("{document:#}\n")
    }
}

/// SHA-256 in hex digits.
pub(super) fn hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
