//! The mount itself: what passes through, what is refused, what is counted, late or fails.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use delayed_mount::{Effect, Errno, Fault, Mounted, Operation, Options};
use rustix::fs::{CWD, RenameFlags, renameat_with};

fn mounted() -> Option<(tempfile::TempDir, Mounted)> {
    let source = tempfile::tempdir().unwrap();
    let mounted = Mounted::or_skip(source.path(), Options::default()).unwrap()?;
    Some((source, mounted))
}

#[test]
fn what_is_written_through_the_mount_lies_in_the_source() {
    let Some((source, mounted)) = mounted() else { return };
    let (inside, outside) = (mounted.path(), source.path());
    fs::create_dir_all(inside.join("a/b")).unwrap();
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    fs::write(inside.join("a/b/large"), &large).unwrap();
    assert!(fs::read(outside.join("a/b/large")).unwrap() == large);
    assert!(fs::read(inside.join("a/b/large")).unwrap() == large);
    let mut file = OpenOptions::new().append(true).open(inside.join("a/b/large")).unwrap();
    file.write_all(b"end").unwrap();
    file.sync_all().unwrap();
    File::open(inside.join("a")).unwrap().sync_all().unwrap();
    assert_eq!(fs::metadata(outside.join("a/b/large")).unwrap().len(), 3_000_003);
    file.set_len(5).unwrap();
    assert_eq!(fs::read(outside.join("a/b/large")).unwrap(), &large[..5]);

    std::os::unix::fs::symlink("b/large", inside.join("a/link")).unwrap();
    assert_eq!(fs::read_link(inside.join("a/link")).unwrap().to_str(), Some("b/large"));
    assert_eq!(fs::read(inside.join("a/link")).unwrap(), &large[..5]);
    fs::rename(inside.join("a/b/large"), inside.join("small")).unwrap();
    let names = |at| {
        let mut names: Vec<_> =
            fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(inside.to_path_buf()), ["a", "small"]);
    assert_eq!(names(inside.join("a")), ["b", "link"]);
    // A directory whose listing has many pages.
    for number in 0..900 {
        fs::write(outside.join(format!("a/b/name-that-is-not-short-{number}")), "").unwrap();
    }
    assert_eq!(names(inside.join("a/b")).len(), 900);
    fs::remove_file(inside.join("small")).unwrap();
    assert!(!outside.join("small").exists());
    assert_eq!(fs::remove_dir(inside.join("a")).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
    fs::create_dir(inside.join("empty")).unwrap();
    fs::remove_dir(inside.join("empty")).unwrap();
    assert!(!outside.join("empty").exists());
}

#[test]
fn hard_links_and_rename_flags_are_refused_as_on_the_network() {
    let Some((_source, mounted)) = mounted() else { return };
    let at = |name: &str| mounted.path().join(name);
    fs::write(at("a"), "a").unwrap();
    fs::write(at("b"), "b").unwrap();
    let linked = fs::hard_link(at("a"), at("c")).unwrap_err();
    assert_eq!(linked.raw_os_error(), Some(Errno::PERM.raw_os_error()));
    for flags in [RenameFlags::NOREPLACE, RenameFlags::EXCHANGE] {
        let renamed = renameat_with(CWD, at("a"), CWD, at("d"), flags);
        // Where the target must exist, the kernel looks first.
        let renamed = if flags == RenameFlags::EXCHANGE {
            renameat_with(CWD, at("a"), CWD, at("b"), flags)
        } else {
            renamed
        };
        assert_eq!(renamed, Err(Errno::INVAL), "{flags:?}");
    }
}

#[test]
fn of_many_writers_on_two_mounts_one_creates_and_one_renames_its_directory() {
    let source = tempfile::tempdir().unwrap();
    let Some(one) = Mounted::or_skip(source.path(), Options::default()).unwrap() else { return };
    let two = Mounted::over(source.path(), Options::default()).unwrap();
    for round in 0..20 {
        let (created, renamed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let root = if writer % 2 == 0 { one.path() } else { two.path() };
                let (created, renamed) = (Arc::clone(&created), Arc::clone(&renamed));
                scope.spawn(move || {
                    let new = OpenOptions::new()
                        .write(true)
                        .create_new(true)
                        .open(root.join(format!("file-{round}")));
                    match new {
                        Ok(_) => _ = created.fetch_add(1, Ordering::Relaxed),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
                    }
                    let own = root.join(format!("own-{round}-{writer}"));
                    fs::create_dir(&own).unwrap();
                    fs::write(own.join("value"), writer.to_string()).unwrap();
                    match fs::rename(&own, root.join(format!("final-{round}"))) {
                        Ok(()) => _ = renamed.fetch_add(1, Ordering::Relaxed),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty),
                    }
                });
            }
        });
        assert_eq!(created.load(Ordering::Relaxed), 1, "round {round}");
        assert_eq!(renamed.load(Ordering::Relaxed), 1, "round {round}");
    }
}

#[test]
fn another_mount_learns_late_unless_it_opens() {
    let source = tempfile::tempdir().unwrap();
    let Some(one) = Mounted::or_skip(source.path(), Options::default()).unwrap() else { return };
    let two = Mounted::over(source.path(), Options::default()).unwrap();
    fs::write(one.path().join("file"), "old").unwrap();
    assert!(!two.path().join("new").exists());
    assert_eq!(fs::metadata(two.path().join("file")).unwrap().len(), 3);

    fs::write(one.path().join("new"), "").unwrap();
    fs::write(one.path().join("file"), "longer than it was").unwrap();
    // Neither the new name nor the new size is known there ...
    assert!(!two.path().join("new").exists());
    assert_eq!(fs::metadata(two.path().join("file")).unwrap().len(), 3);
    // ... but who opens reads what was written, and who creates learns the truth.
    assert_eq!(fs::read(two.path().join("file")).unwrap(), b"longer than it was");
    let new = OpenOptions::new().write(true).create_new(true).open(two.path().join("new"));
    assert_eq!(new.unwrap_err().kind(), ErrorKind::AlreadyExists);

    // A file that was replaced by a rename is the new one when it is opened.
    fs::write(one.path().join("next"), "replaced").unwrap();
    fs::rename(one.path().join("next"), one.path().join("file")).unwrap();
    assert_eq!(fs::read(two.path().join("file")).unwrap(), b"replaced");
    // Who has it open goes on reading what was opened.
    let mut open = File::open(two.path().join("file")).unwrap();
    fs::remove_file(one.path().join("file")).unwrap();
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "replaced");
}

#[test]
fn requests_are_counted_and_delayed() {
    let Some((source, mounted)) = mounted() else { return };
    fs::create_dir(source.path().join("d")).unwrap();
    fs::write(source.path().join("d/f"), "x").unwrap();
    mounted.set_delay(Duration::from_millis(20));
    mounted.reset_counts();
    let begun = Instant::now();
    fs::read(mounted.path().join("d/f")).unwrap();
    let counts = mounted.counts();
    assert_eq!(counts.of(Operation::Lookup), 2, "{counts}");
    assert_eq!(counts.of(Operation::Open), 1, "{counts}");
    assert_eq!(counts.of(Operation::Read), 1, "{counts}");
    assert!(begun.elapsed() >= Duration::from_millis(20 * counts.round_trips()), "{counts}");
    // A second time the names are known; the size is asked for again, since reading has changed
    // the time of access.
    mounted.reset_counts();
    fs::read(mounted.path().join("d/f")).unwrap();
    let counts = mounted.counts();
    assert_eq!(counts.of(Operation::Lookup), 0, "{counts}");
    assert_eq!(counts.of(Operation::Open), 1, "{counts}");
    assert_eq!(counts.of(Operation::Read), 1, "{counts}");
    assert!(counts.round_trips() <= 3, "{counts}");
}

#[test]
fn faults_hit_the_request_they_are_meant_for() {
    let Some((source, mounted)) = mounted() else { return };
    let at = |name: &str| mounted.path().join(name);
    mounted.fail(Fault::nth(Operation::Write, Effect::Refuse(Errno::NOSPC), 2));
    let mut file = File::create(at("f")).unwrap();
    file.write_all(b"first").unwrap();
    assert_eq!(file.write_all(b"second").unwrap_err().kind(), ErrorKind::StorageFull);
    file.write_all(b"third").unwrap();
    mounted.clear_faults();

    mounted.fail(Fault::every(Operation::Mkdir, Effect::Refuse(Errno::ROFS)));
    for _ in 0..3 {
        assert_eq!(fs::create_dir(at("d")).unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    }
    mounted.clear_faults();
    mounted.fail(Fault::nth(Operation::Mkdir, Effect::LoseReply(Errno::IO), 1));
    assert!(fs::create_dir(at("lost")).is_err());
    assert!(source.path().join("lost").is_dir());
    mounted.fail(Fault::all_from(Effect::Refuse(Errno::IO), 1));
    assert!(fs::read_dir(mounted.path()).is_err());
    mounted.clear_faults();
    assert_eq!(fs::read_dir(mounted.path()).unwrap().count(), 2);
}

#[test]
fn faults_can_be_written_on_the_command_line() {
    let parse = |text: &str| text.parse::<Fault>();
    let third = Fault::nth(Operation::Write, Effect::Refuse(Errno::NOSPC), 3);
    assert_eq!(parse("write:ENOSPC:3"), Ok(third));
    assert_eq!(parse("write:ENOSPC:3+"), Ok(Fault { count: u64::MAX, ..third }));
    assert_eq!(parse("read:hang"), Ok(Fault::every(Operation::Read, Effect::Hang)));
    assert_eq!(parse("*:EIO:1+"), Ok(Fault::all_from(Effect::Refuse(Errno::IO), 1)));
    for wrong in ["", "write", "wrote:EIO", "write:ENOENT", "write:EIO:0", "write:EIO:1:2"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_hangs_goes_on_when_the_faults_are_cleared() {
    let Some((source, mounted)) = mounted() else { return };
    fs::write(source.path().join("f"), "there").unwrap();
    mounted.fail(Fault::every(Operation::Open, Effect::Hang));
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| fs::read(mounted.path().join("f")));
        assert!(mounted.wait_under_way(1, Duration::from_secs(10)));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!reading.is_finished());
        mounted.clear_faults();
        assert_eq!(reading.join().unwrap().unwrap(), b"there");
    });
}

#[test]
fn a_mount_ends_with_its_value_even_in_a_panic_and_with_open_files() {
    let Some((source, mounted)) = mounted() else { return };
    fs::write(source.path().join("f"), "there").unwrap();
    let path = mounted.path().to_owned();
    mounted.fail(Fault::every(Operation::Read, Effect::Hang));
    let reading = std::thread::spawn({
        let path = path.clone();
        move || fs::read(path.join("f"))
    });
    assert!(mounted.wait_under_way(1, Duration::from_secs(10)));
    let begun = Instant::now();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _mounted = mounted;
        std::panic::resume_unwind(Box::new("a test's own panic"));
    }));
    assert!(panicked.is_err());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(!path.exists());
    assert_eq!(reading.join().unwrap().unwrap(), b"there");
}

/// Plays the process that is killed: mounts, and waits for an answer that never comes.
#[test]
#[ignore = "run by the test below"]
fn waits_for_its_own_mount() {
    let Some(directory) = std::env::var_os("DELAYED_MOUNT_AT") else { return };
    let at = std::path::PathBuf::from(directory);
    let mounted = Mounted::at(&at.join("source"), &at.join("mount"), Options::default()).unwrap();
    mounted.fail(Fault::every(Operation::Open, Effect::Hang));
    fs::write(at.join("ready"), "").unwrap();
    let _ = fs::read(mounted.path().join("f"));
}

#[test]
fn a_process_that_is_killed_while_it_waits_for_its_own_mount_ends() {
    if mounted().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::create_dir(at.join("source")).unwrap();
    fs::create_dir(at.join("mount")).unwrap();
    fs::write(at.join("source/f"), "").unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "pass_through::waits_for_its_own_mount"])
        .env("DELAYED_MOUNT_AT", at)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !at.join("ready").exists() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it did not mount");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
    child.kill().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it cannot end");
        std::thread::sleep(Duration::from_millis(5));
    }
    rustix::mount::unmount(at.join("mount"), rustix::mount::UnmountFlags::DETACH).unwrap();
}
