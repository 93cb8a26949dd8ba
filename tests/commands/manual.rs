//! Completions and manual pages come from the same definitions as `--help`.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mcp-workspace")).args(arguments).output().unwrap()
}

fn text(arguments: &[&str]) -> String {
    let done = run(arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The subcommands, as `--help` lists them.
fn subcommands() -> Vec<String> {
    let help = text(&["--help"]);
    let listed = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap().to_owned();
    let names = listed.lines().filter_map(|line| {
        let name = line.strip_prefix("  ")?.split_whitespace().next()?;
        (!line.starts_with("   ") && name != "help").then(|| name.to_owned())
    });
    names.collect()
}

#[test]
fn every_shell_completes_every_subcommand() {
    let subcommands = subcommands();
    assert!(subcommands.len() > 5, "{subcommands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&["completions", shell]);
        for subcommand in &subcommands {
            assert!(script.contains(subcommand), "{shell} does not know `{subcommand}`");
        }
    }
    let syntax = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&syntax, text(&["completions", "bash"])).unwrap();
    assert!(Command::new("bash").arg("-n").arg(syntax.path()).status().unwrap().success());
}

#[test]
fn every_subcommand_has_a_manual_page() {
    assert!(text(&["man"]).contains(".TH"));
    let directory = tempfile::tempdir().unwrap();
    text(&["man", "--directory", directory.path().to_str().unwrap()]);
    for subcommand in subcommands() {
        let page = directory.path().join(format!("mcp-workspace-{subcommand}.1"));
        assert!(std::fs::read_to_string(&page).unwrap().contains(".SH"), "{}", page.display());
    }
    let done = run(&["man", "--directory", "/no/such/directory"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("/no/such/directory"));
}

#[test]
fn every_subcommand_shows_an_example() {
    for subcommand in subcommands() {
        let help = text(&[&subcommand, "--help"]);
        assert!(help.contains("Example"), "`{subcommand} --help` has no example");
    }
}
