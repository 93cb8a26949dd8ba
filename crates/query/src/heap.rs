//! SQLite's memory: what a query takes is counted for its thread, and beyond its limit SQLite hears
//! that there is none.
//!
//! SQLite's own heap limit counts the whole process, so one query could take what another one
//! was promised. A connection lives and dies in one thread, within one [`Limit`].

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::ptr::null_mut;
use std::sync::OnceLock;

use rusqlite::ffi;

use crate::MIN_HEAP_BYTES;
use crate::error::QueryError;

/// In front of each block stands its size; SQLite wants blocks aligned to 8 bytes.
const HEADER: usize = 16;

thread_local! {
    /// What the thread may still take.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// A thread's limit, until this is dropped; it stays in its thread.
#[derive(Debug)]
pub(crate) struct Limit(PhantomData<*const ()>);

impl Limit {
    /// Lets SQLite take so many bytes in this thread.
    pub(crate) fn begin(bytes: usize) -> Result<Limit, QueryError> {
        install()?;
        LEFT.set(bytes.max(MIN_HEAP_BYTES));
        Ok(Limit(PhantomData))
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        LEFT.set(usize::MAX);
    }
}

/// Gives SQLite this memory, once, before it is first used.
#[allow(unsafe_code)]
fn install() -> Result<(), QueryError> {
    static INSTALLED: OnceLock<c_int> = OnceLock::new();
    let code = *INSTALLED.get_or_init(|| {
        let methods = ffi::sqlite3_mem_methods {
            xMalloc: Some(allocate),
            xFree: Some(free),
            xRealloc: Some(reallocate),
            xSize: Some(size),
            xRoundup: Some(round_up),
            xInit: Some(begin),
            xShutdown: Some(end),
            pAppData: null_mut(),
        };
        // SAFETY: SQLite copies the methods while it is called, and each of them keeps its contract
        // (below). It must not be in use yet: `OnceLock` lets one thread come here, before the only
        // use of SQLite in this process, which is behind `Limit::begin`; where it was in use, SQLite
        // refuses (SQLITE_MISUSE) and changes nothing. The second option takes an int, which switches
        // off statistics that would cost a lock for each block.
        unsafe {
            match ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw const methods) {
                ffi::SQLITE_OK => ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0_i32),
                code => code,
            }
        }
    });
    if code == ffi::SQLITE_OK {
        Ok(())
    } else {
        Err(QueryError::Internal(format!("its memory cannot be set (code {code})")))
    }
}

/// Takes from what the thread has left; false where that is less.
fn take(bytes: usize) -> bool {
    match LEFT.get().checked_sub(bytes) {
        Some(left) => {
            LEFT.set(left);
            true
        }
        None => false,
    }
}

fn give(bytes: usize) {
    LEFT.set(LEFT.get().saturating_add(bytes));
}

/// A block of so many bytes, its header included; none where SQLite asks for less than one byte.
fn layout(bytes: c_int) -> Option<Layout> {
    let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes > 0)?;
    Layout::from_size_align(bytes.checked_add(HEADER)?, HEADER).ok()
}

/// The layout of a block that [`allocate`] or [`reallocate`] gave.
///
/// # Safety
/// `block` came from one of them and was not freed.
#[allow(unsafe_code)]
unsafe fn layout_of(block: *mut c_void) -> (*mut u8, Layout) {
    // SAFETY: by this function's contract HEADER bytes of the same allocation stand before the block,
    // and begin with the size that its layout was made with; so that layout is valid.
    unsafe {
        let start = block.cast::<u8>().sub(HEADER);
        let size = start.cast::<usize>().read();
        (start, Layout::from_size_align_unchecked(size, HEADER))
    }
}

/// Writes the header, and gives what follows it.
///
/// # Safety
/// `start` is an allocation of `size` bytes, which are at least HEADER, aligned to HEADER.
#[allow(unsafe_code)]
unsafe fn behind_header(start: *mut u8, size: usize) -> *mut c_void {
    // SAFETY: by this function's contract the header lies within the allocation and is aligned.
    unsafe {
        start.cast::<usize>().write(size);
        start.add(HEADER).cast()
    }
}

#[allow(unsafe_code)]
unsafe extern "C" fn allocate(bytes: c_int) -> *mut c_void {
    let Some(layout) = layout(bytes) else { return null_mut() };
    if !take(layout.size()) {
        return null_mut();
    }
    // SAFETY: the layout is not empty, and what was allocated has its size and alignment.
    unsafe {
        let start = alloc(layout);
        if start.is_null() {
            give(layout.size());
            return null_mut();
        }
        behind_header(start, layout.size())
    }
}

#[allow(unsafe_code)]
unsafe extern "C" fn free(block: *mut c_void) {
    if block.is_null() {
        return;
    }
    // SAFETY: SQLite frees what it got from here, once.
    unsafe {
        let (start, layout) = layout_of(block);
        dealloc(start, layout);
        give(layout.size());
    }
}

#[allow(unsafe_code)]
unsafe extern "C" fn reallocate(block: *mut c_void, bytes: c_int) -> *mut c_void {
    let Some(wanted) = layout(bytes) else { return null_mut() };
    // SAFETY: SQLite calls this with a block that it got from here. Where there is no memory, the old
    // block stays as it is, as SQLite expects. The new size is not 0 and fits its alignment.
    unsafe {
        let (start, old) = layout_of(block);
        // Both are there while the content moves.
        if !take(wanted.size()) {
            return null_mut();
        }
        let moved = realloc(start, old, wanted.size());
        if moved.is_null() {
            give(wanted.size());
            return null_mut();
        }
        give(old.size());
        behind_header(moved, wanted.size())
    }
}

#[allow(unsafe_code)]
unsafe extern "C" fn size(block: *mut c_void) -> c_int {
    if block.is_null() {
        return 0;
    }
    // SAFETY: SQLite asks for the size of what it got from here.
    let (_, layout) = unsafe { layout_of(block) };
    c_int::try_from(layout.size() - HEADER).unwrap_or(c_int::MAX)
}

#[allow(unsafe_code)]
unsafe extern "C" fn round_up(bytes: c_int) -> c_int {
    bytes.checked_add(7).map_or(bytes, |sum| sum & !7)
}

#[allow(unsafe_code)]
unsafe extern "C" fn begin(_: *mut c_void) -> c_int {
    ffi::SQLITE_OK
}

#[allow(unsafe_code)]
unsafe extern "C" fn end(_: *mut c_void) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn what_is_taken_is_counted_and_comes_back() {
        let limit = Limit::begin(MIN_HEAP_BYTES).unwrap();
        // SAFETY: blocks are used within their sizes and freed once.
        unsafe {
            let block = allocate(1_000);
            assert_eq!((size(block), LEFT.get()), (1_000, MIN_HEAP_BYTES - 1_000 - HEADER));
            block.cast::<u8>().add(999).write(7);
            let block = reallocate(block, 2_000);
            assert_eq!(block.cast::<u8>().add(999).read(), 7);
            assert_eq!((size(block), LEFT.get()), (2_000, MIN_HEAP_BYTES - 2_000 - HEADER));
            assert!(allocate(MIN_HEAP_BYTES as c_int).is_null());
            assert!(reallocate(block, MIN_HEAP_BYTES as c_int).is_null());
            assert_eq!((size(block), block.cast::<u8>().add(999).read()), (2_000, 7));
            free(block);
            assert!(allocate(0).is_null() && allocate(-1).is_null());
        }
        assert_eq!(LEFT.get(), MIN_HEAP_BYTES);
        drop(limit);
        assert_eq!(LEFT.get(), usize::MAX);
    }
}
