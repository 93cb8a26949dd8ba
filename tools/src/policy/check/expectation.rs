//! `[[expect]]`: the results that the policy file itself expects.

use std::ops::Range;

use super::role::{WITH_SCOPES, no_scopes};
use super::{Check, Table};
use crate::policy::Expectation;

impl Check<'_> {
    pub(super) fn expectation(
        &mut self,
        span: Range<usize>,
        table: &Table<'_>,
    ) -> Option<Expectation> {
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
            && !self.tool_names().contains(&name.as_str())
        {
            let names = format!("the tools are: {}", self.tool_names().join(", "));
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
