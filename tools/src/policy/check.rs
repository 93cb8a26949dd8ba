//! From the text of a policy to a [`Policy`], or to all that is wrong with it.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::path::WorkspacePath;

use super::delegate::{self, Delegate};
use super::glob::{CallerPattern, DenyRules, PathRules, Rule, refusal};
use super::subject::is_scope;
use super::{Expectation, Layout, Limits, Policy, Role, TOOL_NAMES};

/// Longest policy in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// How the ids of callers begin whose tokens carry scopes.
const WITH_SCOPES: &str = "jwt:";
/// Most errors that are told at once.
const MAX_ERRORS: usize = 50;

/// Something that is wrong with a policy: where, what, and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyError {
    /// The file as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub fix: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PolicyError { file, line, column, message, fix } = self;
        write!(f, "{file}:{line}:{column}: {message}\n  fix: {fix}")
    }
}

pub(super) fn parse(text: &str, file: &str) -> Result<Policy, Vec<PolicyError>> {
    let mut check = Check { text, file, errors: Vec::new() };
    if text.len() > MAX_BYTES {
        check.error(0..0, format!("the policy has {} bytes", text.len()), "keep it under 1 MiB");
        return Err(check.errors);
    }
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            check.error(span, format!("not TOML: {}", error.message()), "see https://toml.io");
            return Err(check.errors);
        }
    };
    let policy = check.policy(table.get_ref());
    match policy {
        Some(policy) if check.errors.is_empty() => Ok(policy),
        _ => {
            check.errors.sort_by_key(|error| (error.line, error.column));
            check.errors.truncate(MAX_ERRORS);
            Err(check.errors)
        }
    }
}

type Table<'a> = DeTable<'a>;
type Value<'a> = Spanned<DeValue<'a>>;

struct Check<'t> {
    text: &'t str,
    file: &'t str,
    errors: Vec<PolicyError>,
}

impl Check<'_> {
    fn error(&mut self, span: Range<usize>, message: impl Into<String>, fix: impl Into<String>) {
        let (line, column) = self.place(span.start);
        self.errors.push(PolicyError {
            file: self.file.to_owned(),
            line,
            column,
            message: message.into(),
            fix: fix.into(),
        });
    }

    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    fn policy(&mut self, table: &Table<'_>) -> Option<Policy> {
        self.known_keys(table, &["version", "layout", "role", "delegate", "expect"], "the policy");
        match table.get("version") {
            Some(value) if integer(value) == Some(1) => {}
            Some(value) => self.error(value.span(), "`version` is not 1", "version = 1"),
            None => self.error(0..0, "`version` is missing", "begin with `version = 1`"),
        }
        let layout = self.layout(table.get("layout"));
        let mut roles = Vec::new();
        for (value, table) in self.tables(table, "role") {
            roles.extend(self.role(value, table, &layout).map(Arc::new));
        }
        if table.get("role").is_none() {
            self.error(0..0, "no `[[role]]`: nobody could do anything", "add a role");
        }
        let mut names = HashSet::new();
        for (value, table) in self.tables(table, "role") {
            if let Some(name) = table.get("name").and_then(|name| name.get_ref().as_str())
                && !names.insert(name)
            {
                self.error(value, format!("two roles are named `{name}`"), "rename one");
            }
        }
        let mut delegates = Vec::new();
        for (value, table) in self.tables(table, "delegate") {
            delegates.push(self.delegate(value, table));
        }
        let mut expectations = Vec::new();
        for (value, table) in self.tables(table, "expect") {
            expectations.extend(self.expectation(value, table));
        }
        Some(Policy {
            file: self.file.into(),
            roles: roles.into(),
            delegates: delegates.into(),
            layout: Arc::new(layout?),
            expectations: expectations.into(),
        })
    }

    /// Entries of an array of tables, each with the span of its header.
    fn tables<'v, 'i>(
        &mut self,
        table: &'v Table<'i>,
        key: &str,
    ) -> Vec<(Range<usize>, &'v Table<'i>)> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.error(
                value.span(),
                format!("`{key}` is not a list of tables"),
                format!("[[{key}]]"),
            );
            return Vec::new();
        };
        let mut tables = Vec::new();
        for entry in array.iter() {
            match entry.get_ref().as_table() {
                Some(table) => tables.push((entry.span(), table)),
                None => self.error(
                    entry.span(),
                    format!("`{key}` holds no table"),
                    format!("[[{key}]]"),
                ),
            }
        }
        tables
    }

    fn known_keys(&mut self, table: &Table<'_>, known: &[&str], what: &str) {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let fix = match nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("{what} has: {}", known.join(", ")),
            };
            self.error(key.span(), format!("unknown key `{name}`"), fix);
        }
    }

    fn layout(&mut self, value: Option<&Value<'_>>) -> Option<Layout> {
        let empty = Table::default();
        let table = match value {
            None => &empty,
            Some(value) => match value.get_ref().as_table() {
                Some(table) => table,
                None => {
                    self.error(value.span(), "`layout` is not a table", "[layout]");
                    return None;
                }
            },
        };
        self.known_keys(table, &["input", "output", "state"], "layout");
        let input = self.layout_path(table, "input", true);
        let output = self.layout_path(table, "output", false);
        let state = self.layout_path(table, "state", false);
        let (input, output, state) = (input?, output?, state?);
        if output.is_within(&state) || state.is_within(&output) {
            let span = value.map_or(0..0, Spanned::span);
            self.error(
                span,
                "`output` and `state` lie in each other",
                "give each its own directory",
            );
            return None;
        }
        let findings = output.join("findings");
        let proposals = output.join("proposals");
        let decisions = output.join("decisions");
        let (Ok(findings), Ok(proposals), Ok(decisions)) = (findings, proposals, decisions) else {
            self.error(0..0, "`output` is too long a path", "choose a shorter one");
            return None;
        };
        Some(Layout { input, output, state, findings, proposals, decisions })
    }

    fn layout_path(&mut self, table: &Table<'_>, key: &str, root: bool) -> Option<WorkspacePath> {
        let Some(value) = table.get(key) else { return WorkspacePath::parse(key).ok() };
        let Some(text) = value.get_ref().as_str() else {
            self.error(
                value.span(),
                format!("`{key}` is not a text"),
                format!("{key} = \"{key}\""),
            );
            return None;
        };
        match WorkspacePath::parse(text) {
            Ok(path) if !path.is_root() || root => Some(path),
            Ok(_) => {
                self.error(value.span(), format!("`{key}` is the root"), "name a directory for it");
                None
            }
            Err(error) => {
                self.error(value.span(), error.to_string(), "a path from the workspace root");
                None
            }
        }
    }

    fn role(
        &mut self,
        span: Range<usize>,
        table: &Table<'_>,
        layout: &Option<Layout>,
    ) -> Option<Role> {
        const KEYS: [&str; 11] = [
            "name", "callers", "scopes", "tools", "read", "write", "propose", "decide", "deny",
            "limits", "doctor",
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
        let mut globs = |key: &str| self.globs(table, key);
        let (propose, decide, deny) = (globs("propose"), globs("decide"), globs("deny"));
        let compiled = (
            PathRules::new(read),
            PathRules::new(write),
            PathRules::new(propose),
            PathRules::new(decide),
            DenyRules::new(deny),
        );
        let limits = self.limits(table);
        let doctor = self.doctor(table);
        let (Ok(read), Ok(write), Ok(propose), Ok(decide), Ok(deny)) = compiled else {
            self.error(
                span,
                "the globs of this role are too large together",
                "use fewer, simpler ones",
            );
            return None;
        };
        if lists_nothing(table, "tools") && decide.is_empty() && !doctor {
            let fix = format!("tools = [\"read_file\"], of {}", TOOL_NAMES.join(", "));
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
            propose,
            decide,
            deny,
            limits,
            doctor,
        })
    }

    /// Refuses `write` globs that are aimed at decisions. A wide one, such as `output/**`, is
    /// allowed and never covers them.
    fn no_decisions(&mut self, table: &Table<'_>, layout: Option<&Layout>) {
        let Some(layout) = layout else { return };
        let entries = table.get("write").and_then(|value| value.get_ref().as_array());
        let globs: Vec<(String, Range<usize>)> = entries
            .into_iter()
            .flat_map(|array| array.iter())
            .filter_map(|entry| Some((entry.get_ref().as_str()?.to_owned(), entry.span())))
            .collect();
        for (glob, span) in globs {
            let Ok(rules) = PathRules::new(vec![Rule { text: glob.clone(), line: 0 }]) else {
                continue;
            };
            if rules.names(layout.decisions()) {
                self.error(
                    span,
                    format!("`{glob}` would write decisions, and no tool does"),
                    "name what it writes, such as the folders of findings and proposals",
                );
            }
        }
    }

    fn scopes(&mut self, table: &Table<'_>) -> Vec<String> {
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

    fn delegate(&mut self, span: Range<usize>, table: &Table<'_>) -> Delegate {
        self.known_keys(table, &["callers", "names"], "a delegation");
        let lists = [
            (
                "callers",
                "arn:aws:iam::123456789012:role/gateway-*",
                delegate::is_of_roles as fn(&str) -> bool,
                "no IAM role of one account, so nobody can be trusted by it",
            ),
            (
                "names",
                "review-*",
                delegate::is_of_names,
                "no name: of letters, digits and `-_.@`, with `*` for any",
            ),
        ];
        let [callers, names] = lists.map(|(key, example, good, complaint)| {
            let fix = format!("{key} = [\"{example}\"]");
            if lists_nothing(table, key) {
                self.error(span.clone(), format!("a delegation without `{key}`"), fix.clone());
            }
            let mut texts = Vec::new();
            for (text, at) in self.strings(table, key) {
                if good(&text) {
                    texts.push(text);
                } else {
                    self.error(at, format!("`{text}` is {complaint}"), fix.clone());
                }
            }
            texts
        });
        Delegate::new(&callers, &names)
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

    fn tools(&mut self, table: &Table<'_>) -> Vec<String> {
        let mut tools = Vec::new();
        for (tool, span) in self.strings(table, "tools") {
            if TOOL_NAMES.contains(&tool.as_str()) {
                tools.push(tool);
            } else {
                let fix = match nearest(&tool, &TOOL_NAMES) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the tools are: {}", TOOL_NAMES.join(", ")),
                };
                self.error(span, format!("no tool is named `{tool}`"), fix);
            }
        }
        tools
    }

    fn globs(&mut self, table: &Table<'_>, key: &str) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (text, span) in self.strings(table, key) {
            match refusal(&text) {
                Some((message, fix)) => self.error(span, message, fix),
                None => rules.push(Rule { text, line: self.place(span.start).0 }),
            }
        }
        rules
    }

    fn strings(&mut self, table: &Table<'_>, key: &str) -> Vec<(String, Range<usize>)> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let fix = format!("{key} = [\"...\"]");
        let Some(array) = value.get_ref().as_array() else {
            self.error(value.span(), format!("`{key}` is not a list of texts"), fix);
            return Vec::new();
        };
        let mut strings = Vec::new();
        for entry in array.iter() {
            match entry.get_ref().as_str() {
                Some(text) => strings.push((text.to_owned(), entry.span())),
                None => self.error(
                    entry.span(),
                    format!("`{key}` holds something that is no text"),
                    fix.clone(),
                ),
            }
        }
        strings
    }

    fn doctor(&mut self, table: &Table<'_>) -> bool {
        let Some(value) = table.get("doctor") else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.error(value.span(), "`doctor` is not true or false", "doctor = true");
            // Nothing else is wrong with a role that has no tools because of it.
            true
        })
    }

    fn limits(&mut self, table: &Table<'_>) -> Limits {
        let mut limits = Limits::default();
        let Some(value) = table.get("limits") else { return limits };
        let Some(table) = value.get_ref().as_table() else {
            self.error(value.span(), "`limits` is not a table", "[role.limits]");
            return limits;
        };
        self.known_keys(table, &["max_file_bytes", "max_findings_per_run"], "limits");
        for (key, limit) in [
            ("max_file_bytes", &mut limits.max_file_bytes),
            ("max_findings_per_run", &mut limits.max_findings_per_run),
        ] {
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

    fn expectation(&mut self, span: Range<usize>, table: &Table<'_>) -> Option<Expectation> {
        self.known_keys(table, &["caller", "scopes", "tool", "path", "allow"], "an expectation");
        let scopes = self.scopes(table);
        let fix = "caller = \"local\", tool = \"read_file\", path = \"a.txt\", allow = true";
        let mut text = |key: &str, required: bool| match table.get(key) {
            Some(value) => {
                let text = value.get_ref().as_str().map(str::to_owned);
                if text.is_none() {
                    self.error(value.span(), format!("`{key}` is not a text"), fix);
                }
                text
            }
            None => {
                if required {
                    self.error(span.clone(), format!("an expectation without `{key}`"), fix);
                }
                None
            }
        };
        let (caller, tool, path) = (text("caller", true), text("tool", true), text("path", false));
        if let (Some(id), Some(value)) = (&caller, table.get("scopes"))
            && !id.starts_with(WITH_SCOPES)
        {
            self.error(value.span(), no_scopes(id), "leave `scopes` out");
        }
        if let (Some(name), Some(value)) = (&tool, table.get("tool"))
            && !TOOL_NAMES.contains(&name.as_str())
        {
            let names = format!("the tools are: {}", TOOL_NAMES.join(", "));
            self.error(value.span(), format!("no tool is named `{name}`"), names);
        }
        let allow = match table.get("allow") {
            Some(value) => match value.get_ref().as_bool() {
                Some(allow) => Some(allow),
                None => {
                    self.error(value.span(), "`allow` is not true or false", fix);
                    None
                }
            },
            None => {
                self.error(span.clone(), "an expectation without `allow`", fix);
                None
            }
        };
        let line = self.place(span.start).0;
        Some(Expectation { caller: caller?, scopes, tool: tool?, path, allow: allow?, line })
    }
}

/// Whether a list is missing or empty; one that is wrong in another way is told elsewhere.
fn lists_nothing(table: &Table<'_>, key: &str) -> bool {
    table
        .get(key)
        .is_none_or(|value| value.get_ref().as_array().is_some_and(|list| list.is_empty()))
}

fn no_scopes(caller: &str) -> String {
    format!("`{caller}` never has scopes; only callers that begin with `{WITH_SCOPES}` have")
}

fn integer(value: &Value<'_>) -> Option<i64> {
    let integer = value.get_ref().as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|key| (strsim::jaro_winkler(name, key), *key))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, key)| key)
}
