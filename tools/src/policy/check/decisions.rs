//! `[decisions]`: where the key is that signs what people decide.

use super::{Check, Value};
use crate::policy::KeySource;

const EXAMPLE: &str = "key_env = \"MCP_WORKSPACE_DECISION_KEY\"";

impl Check<'_> {
    pub(super) fn decision_key(&mut self, value: Option<&Value<'_>>) -> Option<KeySource> {
        let value = value?;
        let Some(table) = value.get_ref().as_table() else {
            self.error(value.span(), "`decisions` is not a table", "[decisions]");
            return None;
        };
        self.known_keys(table, &["key_env", "key_file"], "decisions");
        let mut text = |key: &str, is_right: fn(&str) -> bool, what: &str, fix: &str| {
            let value = table.get(key)?;
            match value.get_ref().as_str() {
                Some(text) if is_right(text) => return Some(text.to_owned()),
                Some(text) => self.error(
                    value.span(),
                    format!("`{}` is not {what}", text.escape_debug()),
                    fix,
                ),
                None => self.error(value.span(), format!("`{key}` is not a text"), fix),
            }
            None
        };
        let what = "the name of an environment variable (capitals, digits and `_`)";
        let name = text("key_env", is_variable, what, EXAMPLE);
        let what = "the absolute path of a file";
        let file = text("key_file", is_absolute, what, "key_file = \"/etc/mcp-workspace/key\"");
        match (table.get("key_env").is_some(), table.get("key_file").is_some()) {
            (true, true) => {
                self.error(value.span(), "`decisions` names two keys", "keep one of them");
                None
            }
            (false, false) => {
                self.error(
                    value.span(),
                    "`decisions` names no key",
                    format!("{EXAMPLE}, or key_file = \"...\""),
                );
                None
            }
            _ => name.map(KeySource::Environment).or(file.map(KeySource::File)),
        }
    }
}

fn is_variable(text: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().all(may_be)
        && !text.starts_with(|first: char| first.is_ascii_digit())
}

fn is_absolute(text: &str) -> bool {
    text.starts_with('/') && text.len() <= 4096 && !text.contains('\0')
}
