//! Arguments are read as they were meant: what has one possible meaning is taken and named in the
//! answer, what has two is refused, and nothing is ever taken for something else.
#![cfg(test)]

mod calls;
mod spoiled;
mod taken;
