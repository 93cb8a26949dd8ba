//! `[[role]]`: who does what with which paths.

use std::ops::Range;

use super::glob::{refusal, suspicion};
use super::read::{integer, lists_nothing, nearest};
use super::{Check, Table};
use crate::name;
use crate::path::WorkspacePath;
use crate::policy::glob::{CallerPattern, DenyRules, PathRules, Rule};
use crate::policy::subject::is_scope;
use crate::policy::{Layout, Limits, Role};

/// How the ids of callers begin whose tokens carry scopes.
pub(super) const WITH_SCOPES: &str = "jwt:";

impl Check<'_> {
    pub(super) fn role(
        &mut self,
        span: Range<usize>,
        table: &Table<'_>,
        layout: &Option<Layout>,
    ) -> Option<Role> {
        const KEYS: [&str; 12] = [
            "name", "callers", "scopes", "tools", "read", "write", "create", "propose", "decide",
            "deny", "limits", "doctor",
        ];
        self.known_keys(table, &KEYS, "a role");
        let name = self.role_name(&span, table);
        let callers = self.strings(table, "callers");
        if lists_nothing(table, "callers") {
            let fix = "callers = [\"local\"], or the ids of those who have this role";
            self.error(span.clone(), "a role without callers serves nobody", fix);
        }
        for (caller, at) in &callers {
            if caller.is_empty() {
                self.error(at.clone(), "an empty caller", "name one, or use `*` for any");
            }
            if let Err(error) = name::must_be_seen("callers", caller) {
                self.error(at.clone(), error.message, "leave it out");
            }
        }
        let scopes = self.scopes(table);
        if !scopes.is_empty() {
            for (caller, at) in &callers {
                if !CallerPattern::new(caller).can_begin_with(WITH_SCOPES) {
                    self.error(at.clone(), no_scopes(caller), "give it a role without `scopes`");
                }
            }
        }
        let tools = self.tools(table);
        let mut globs = |key: &str| self.globs(table, key);
        let (read, write) = (globs("read"), globs("write"));
        self.no_decisions(table, layout.as_ref());
        self.no_records(table, layout.as_ref());
        let mut globs = |key: &str| self.globs(table, key);
        let (create, propose) = (globs("create"), globs("propose"));
        let (decide, deny) = (globs("decide"), globs("deny"));
        let compiled = (
            PathRules::new(read),
            PathRules::new(write),
            PathRules::new(create),
            PathRules::new(propose),
            PathRules::new(decide),
            DenyRules::new(deny),
        );
        let limits = self.limits(table);
        let doctor = self.doctor(table);
        let (Ok(read), Ok(write), Ok(create), Ok(propose), Ok(decide), Ok(deny)) = compiled else {
            self.error(
                span,
                "the globs of this role are too large together",
                "use fewer, simpler ones",
            );
            return None;
        };
        if lists_nothing(table, "tools") && decide.is_empty() && !doctor {
            let fix = format!("tools = [\"read_file\"], of {}", self.tool_names().join(", "));
            self.error(span.clone(), "a role without tools can do nothing", fix);
        }
        if !propose.is_empty() && !decide.is_empty() {
            let fix = "give `decide` to a role of its own, whose callers are people";
            self.error(span.clone(), "a role has both `propose` and `decide`", fix);
        }
        layout.as_ref()?;
        Some(Role {
            name: name?,
            callers: callers.iter().map(|(caller, _)| CallerPattern::new(caller)).collect(),
            scopes,
            tools,
            read,
            write,
            create,
            propose,
            decide,
            deny,
            limits,
            doctor,
        })
    }

    fn role_name(&mut self, span: &Range<usize>, table: &Table<'_>) -> Option<String> {
        let fix =
            "name = \"security-reviewer\": 1 to 64 of a-z 0-9 -, beginning with a letter or digit";
        let Some(value) = table.get("name") else {
            self.error(span.clone(), "a role without `name`", fix);
            return None;
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match value.get_ref().as_str() {
            Some(name)
                if (1..=64).contains(&name.len())
                    && name.chars().all(plain)
                    && !name.starts_with('-') =>
            {
                Some(name.to_owned())
            }
            _ => {
                self.error(value.span(), "not a role's name", fix);
                None
            }
        }
    }

    pub(super) fn scopes(&mut self, table: &Table<'_>) -> Vec<String> {
        let fix = "scopes = [\"workspace:read\"]: one scope a text, as the token has them";
        if let Some(value) = table.get("scopes")
            && lists_nothing(table, "scopes")
        {
            self.error(value.span(), "`scopes` names none", "leave it out, or name a scope");
        }
        let mut scopes = Vec::new();
        for (scope, span) in self.strings(table, "scopes") {
            if is_scope(&scope) {
                scopes.push(scope);
            } else {
                self.error(span, format!("`{scope}` is no scope"), fix);
            }
        }
        scopes
    }

    fn tools(&mut self, table: &Table<'_>) -> Vec<String> {
        let mut tools = Vec::new();
        for (tool, span) in self.strings(table, "tools") {
            let names = self.tool_names();
            if names.contains(&tool.as_str()) {
                tools.push(tool);
            } else {
                let fix = match nearest(&tool, &names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the tools are: {}", names.join(", ")),
                };
                self.error(span, format!("no tool is named `{tool}`"), fix);
            }
        }
        tools
    }

    fn globs(&mut self, table: &Table<'_>, key: &str) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (text, span) in self.strings(table, key) {
            if let Some((message, fix)) = refusal(&text) {
                self.error(span, message, fix);
                continue;
            }
            let line = self.place(span.start).0;
            if let Some((message, fix)) = suspicion(&text, key) {
                self.warning(span, message, fix);
            }
            rules.push(Rule { text, line });
        }
        rules
    }

    /// Refuses `write` globs that are aimed at decisions. A wide one, such as `output/**`, is
    /// allowed and never covers them.
    fn no_decisions(&mut self, table: &Table<'_>, layout: Option<&Layout>) {
        let Some(layout) = layout else { return };
        for (glob, span) in aimed_at(table, "write", &[layout.decisions()]) {
            self.error(
                span,
                format!("`{glob}` would write decisions, and no tool does"),
                "name what it writes, such as the folders of findings and proposals",
            );
        }
    }

    /// The same for `create` globs and all records.
    fn no_records(&mut self, table: &Table<'_>, layout: Option<&Layout>) {
        let Some(layout) = layout else { return };
        for (glob, span) in aimed_at(table, "create", &layout.folders_of_records()) {
            let fix = format!("name another folder, such as `{}/reports/**`", layout.output);
            self.error(span, format!("`{glob}` is for records, which have their own tools"), fix);
        }
    }

    fn limits(&mut self, table: &Table<'_>) -> Limits {
        let mut limits = Limits::default();
        let Some(value) = table.get("limits") else { return limits };
        let Some(table) = value.get_ref().as_table() else {
            self.error(value.span(), "`limits` is not a table", "[role.limits]");
            return limits;
        };
        self.known_keys(table, &Limits::NAMES, "limits");
        for (key, limit) in Limits::NAMES.into_iter().zip(limits.each()) {
            let Some(value) = table.get(key) else { continue };
            match integer(value).and_then(|number| u64::try_from(number).ok()) {
                Some(number) if number > 0 => *limit = number,
                _ => self.error(
                    value.span(),
                    format!("`{key}` is no positive number"),
                    format!("{key} = {limit}"),
                ),
            }
        }
        limits
    }

    fn doctor(&mut self, table: &Table<'_>) -> bool {
        let Some(value) = table.get("doctor") else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.error(value.span(), "`doctor` is not true or false", "doctor = true");
            // Nothing else is wrong with a role that has no tools because of it.
            true
        })
    }
}

/// The globs of a list that are aimed at one of these folders, each with its place.
fn aimed_at(
    table: &Table<'_>,
    key: &str,
    folders: &[&WorkspacePath],
) -> Vec<(String, Range<usize>)> {
    let entries = table.get(key).and_then(|value| value.get_ref().as_array());
    let texts = entries
        .into_iter()
        .flat_map(|array| array.iter())
        .filter_map(|entry| Some((entry.get_ref().as_str()?.to_owned(), entry.span())));
    let is_aimed = |glob: &str| {
        PathRules::new(vec![Rule { text: glob.to_owned(), line: 0 }])
            .is_ok_and(|rules| folders.iter().any(|folder| rules.names(folder)))
    };
    texts.filter(|(glob, _)| is_aimed(glob)).collect()
}

pub(super) fn no_scopes(caller: &str) -> String {
    format!("`{caller}` never has scopes; only callers that begin with `{WITH_SCOPES}` have")
}
