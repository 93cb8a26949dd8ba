//! How often a property is tried.

use proptest::test_runner::Config;

/// So many cases unless `PROPTEST_CASES` says otherwise, and nothing written beside the tests.
pub fn cases(usual: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config { cases: asked.unwrap_or(usual), failure_persistence: None, ..Config::default() }
}
