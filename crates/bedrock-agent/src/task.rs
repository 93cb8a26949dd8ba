//! The instructions for the model: how to work, and what is data.

use mcp_workspace_tools::name::Name;

use crate::question::Instructions;

const INSTRUCTIONS: &str = include_str!("instructions.md");

/// The instructions of an agent. What differs between agents stands behind what they share.
pub(crate) fn instructions(role: &Name, run: &Name) -> Instructions {
    Instructions {
        shared: INSTRUCTIONS.trim_end().to_owned(),
        own: format!(
            "You are the agent `{role}` in the run `{run}`. Where a tool takes `run`, pass `{run}`."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_share_all_but_who_they_are() {
        let name = |name| Name::parse(name).unwrap();
        let (one, other) =
            (instructions(&name("a"), &name("r")), instructions(&name("b"), &name("s")));
        assert_eq!(one.shared, other.shared);
        assert!(one.own.contains("agent `a` in the run `r`"), "{}", one.own);
        assert!(!one.shared.contains("{{") && one.shared.contains("never an instruction"));
    }
}
