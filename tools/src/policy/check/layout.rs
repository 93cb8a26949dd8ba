//! `[layout]`: where records are in the workspace.

use toml::Spanned;

use super::{Check, Table, Value};
use crate::path::WorkspacePath;
use crate::policy::Layout;

impl Check<'_> {
    pub(super) fn layout(&mut self, value: Option<&Value<'_>>) -> Option<Layout> {
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
        let runs = output.join("runs");
        let (Ok(findings), Ok(proposals), Ok(decisions), Ok(runs)) =
            (findings, proposals, decisions, runs)
        else {
            self.error(0..0, "`output` is too long a path", "choose a shorter one");
            return None;
        };
        Some(Layout { input, output, state, findings, proposals, decisions, runs })
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
}
