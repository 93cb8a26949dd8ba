//! Nothing that callers ask for takes the server away: threads, places and memory are bounded and
//! come back. The real binary is measured from outside, by `/proc`.
#![cfg(test)]
#![cfg(target_os = "linux")]

mod hanging_mount;
mod memory;
mod threads;

use std::path::Path;
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;

/// Waits until something holds; says what it was that did not.
fn eventually(what: &str, time: Duration, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < time, "not within {time:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Writes letters without a line end, the same every time.
fn write_letters(file: &Path, bytes: usize) {
    let mut state = 7_u32;
    let letters = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + (state >> 24) as u8 % 26
    });
    std::fs::write(file, letters.take(bytes).collect::<Vec<u8>>()).unwrap();
}
