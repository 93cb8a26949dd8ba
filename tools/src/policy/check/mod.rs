//! Turns the text of a policy into a [`Policy`], or into a list of all its faults.

mod decisions;
mod delegation;
mod expectation;
mod glob;
mod layout;
mod read;
mod role;
mod separation;

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Policy, ToolAccess};
use read::integer;

/// Longest policy in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// Most errors, or warnings, that are told at once.
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

/// Something in a policy that is allowed and may mean less than it seems to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWarning(PolicyError);

impl fmt::Display for PolicyWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "warning: {}", self.0)
    }
}

pub(super) fn parse(
    tools: &[ToolAccess],
    text: &str,
    file: &str,
) -> Result<Policy, Vec<PolicyError>> {
    let mut check = Check { tools, text, file, errors: Vec::new(), warnings: Vec::new() };
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
    tools: &'t [ToolAccess],
    text: &'t str,
    file: &'t str,
    errors: Vec<PolicyError>,
    warnings: Vec<PolicyWarning>,
}

impl Check<'_> {
    fn error(&mut self, span: Range<usize>, message: impl Into<String>, fix: impl Into<String>) {
        let error = self.remark(span, message.into(), fix.into());
        self.errors.push(error);
    }

    fn warning(&mut self, span: Range<usize>, message: String, fix: String) {
        if self.warnings.len() < MAX_ERRORS {
            let warning = self.remark(span, message, fix);
            self.warnings.push(PolicyWarning(warning));
        }
    }

    fn remark(&self, span: Range<usize>, message: String, fix: String) -> PolicyError {
        let (line, column) = self.place(span.start);
        PolicyError { file: self.file.to_owned(), line, column, message, fix }
    }

    /// The names of the tools, for an error about one.
    fn tool_names(&self) -> Vec<&'static str> {
        self.tools.iter().map(|tool| tool.name).collect()
    }

    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    fn policy(&mut self, table: &Table<'_>) -> Option<Policy> {
        self.known_keys(
            table,
            &["version", "layout", "decisions", "role", "delegate", "expect"],
            "the policy",
        );
        match table.get("version") {
            Some(value) if integer(value) == Some(1) => {}
            Some(value) => self.error(value.span(), "`version` is not 1", "version = 1"),
            None => self.error(0..0, "`version` is missing", "begin with `version = 1`"),
        }
        let layout = self.layout(table.get("layout"));
        let decision_key = self.decision_key(table.get("decisions"));
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
        // Only of roles that are right by themselves.
        if self.errors.is_empty() {
            self.separation(table);
            if let Some(layout) = &layout {
                self.sources(table, layout);
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
            tools: self.tools.into(),
            warnings: std::mem::take(&mut self.warnings).into(),
            decision_key,
            decision_keys: None,
        })
    }
}
