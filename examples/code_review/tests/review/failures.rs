//! One that fails does not lose the others' work, and what was stopped goes on.
