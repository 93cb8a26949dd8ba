//! The instructions for the model: how to work, and what is data.

use mcp_workspace_tools::name::Name;

const INSTRUCTIONS: &str = include_str!("instructions.md");

/// The system prompt of an agent.
pub(crate) fn system_prompt(role: &Name, run: &Name) -> String {
    INSTRUCTIONS.trim_end().replace("{{role}}", role.as_str()).replace("{{run}}", run.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in() {
        let name = Name::parse("x").unwrap();
        let text = system_prompt(&name, &name);
        assert!(!text.contains("{{") && text.contains("run `x`"), "{text}");
    }
}
