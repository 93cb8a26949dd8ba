//! What goes wrong on the mount, now and then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use delayed_mount::{Effect, Errno, Fault, Mounted, Operation};

use crate::Draw;

/// Faults by their names on the command line of the mount.
const FAULTS: [&str; 12] = [
    "read:EIO:3",
    "read:ESTALE",
    "open:ESTALE:2",
    "open:hang:3",
    "open:hang:5+",
    "read:hang:2+",
    "lookup:EIO:40",
    "readdir:EIO:2",
    "write:ENOSPC:2",
    "fsync:EIO:1",
    "mkdir:EACCES:3",
    "*:EIO:200",
];
/// Operations whose answers are lost, though they have happened.
const LOST: [Operation; 4] =
    [Operation::Rename, Operation::Mkdir, Operation::Unlink, Operation::Create];

/// Sets faults and takes them away until it is over.
pub(crate) fn play(mounted: &Mounted, is_over: &AtomicBool, mut draw: Draw) {
    while !is_over.load(Ordering::Relaxed) {
        for _ in 0..=draw.below(2) {
            match draw.below(4) {
                0 => {
                    let lost = LOST[draw.below(LOST.len() as u64) as usize];
                    let nth = 1 + draw.below(4);
                    mounted.fail(Fault::nth(lost, Effect::LoseReply(Errno::IO), nth));
                }
                1 => mounted.set_delay(Duration::from_millis(draw.below(20))),
                _ => {
                    let fault = FAULTS[draw.below(FAULTS.len() as u64) as usize];
                    mounted.fail(fault.parse().unwrap());
                }
            }
        }
        pause(is_over, 500 + draw.below(3_500));
        mounted.clear_faults();
        mounted.set_delay(Duration::from_micros(300));
        pause(is_over, draw.below(2_000));
    }
    mounted.clear_faults();
}

fn pause(is_over: &AtomicBool, milliseconds: u64) {
    let until = Instant::now() + Duration::from_millis(milliseconds);
    while Instant::now() < until && !is_over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20));
    }
}
