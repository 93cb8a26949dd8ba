//! The server's memory allocator, set so that what is freed returns to the system at once.
//!
//! mimalloc keeps freed memory for a while in the heap of the thread that used it, and gives it back when
//! that thread allocates again. A thread that waits for its next call keeps it, so that bursts of calls
//! in many threads held more than twice the budget that their buffers were drawn from.

pub use mimalloc::MiMalloc as Allocator;

/// How long mimalloc keeps what is free, in milliseconds: `mi_option_purge_delay` of its version 2, whose
/// numbers are its order in `mi_option_t` (mimalloc.h). The bindings name only a few of them.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Lets [`Allocator`] return freed memory to the system at once. Called first in `main`, it holds for all
/// that follows; an environment variable of mimalloc does not change it.
#[allow(unsafe_code)]
pub fn give_back_at_once() {
    // SAFETY: the function has no precondition. It takes plain numbers, checks that the option is a known
    // one and stores the value in a static table, which is complete before `main`; nothing else is touched.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn the_delay_is_the_option_that_is_set() {
        // SAFETY: as above; it only reads.
        let delay = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        // No option beside it has this default.
        assert_eq!(delay(), 10, "the purge delay of mimalloc 2.3");
        give_back_at_once();
        assert_eq!(delay(), 0);
    }
}
