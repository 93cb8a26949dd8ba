//! What the kernel does for the server.

use super::Check;

/// The wall that the kernel (Landlock) puts around a server, so that it reaches nothing but its
/// workspace, its own files and its own ports, whatever happens inside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wall {
    /// All that was asked for.
    Whole,
    /// What an older kernel has of it.
    Part,
    /// The kernel has it, and it was turned off at boot.
    Off,
    /// The kernel does not have it.
    Missing,
    /// The kernel has it and did not take the rules.
    Refused,
}

impl Wall {
    /// A word for it, for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Wall::Whole => "whole",
            Wall::Part => "part",
            Wall::Off => "off",
            Wall::Missing => "missing",
            Wall::Refused => "refused",
        }
    }

    pub(super) fn check(wall: Option<Wall>) -> Check {
        let name = "wall";
        let none = |why: &str| {
            Check::ok(name, format!("none by the kernel: {why}; the server's own checks hold"))
        };
        match wall {
            Some(Wall::Whole) => Check::ok(
                name,
                "the kernel lets the server reach nothing but workspace, own files and own ports",
            ),
            Some(Wall::Part) => Check::ok(
                name,
                "the kernel lets the server reach no other files; it is too old to limit the rest",
            ),
            Some(Wall::Off) => none("Landlock is turned off"),
            Some(Wall::Missing) => none("it has no Landlock"),
            Some(Wall::Refused) => Check::warning(
                name,
                "none: the kernel did not take Landlock's rules",
                "the server's log says why; its own checks hold without them",
            ),
            None => none("the server was told not to raise one"),
        }
    }
}
