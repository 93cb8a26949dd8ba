//! The limits of one upload to GitHub's code scanning, and how a report is made to fit.

/// Results that GitHub keeps of a run; it refuses runs of more than 25,000.
pub(super) const RESULTS: usize = 5_000;
/// Tags that GitHub keeps of a rule; it refuses rules with more than 20.
pub(super) const TAGS: usize = 10;
/// GitHub takes 10 MB after gzip. The bound is on the bytes before it, which needs no guess at
/// how well they compress.
pub(super) const BYTES: usize = 10_000_000;
/// Characters of a snippet or of a text that a result carries.
pub(super) const TEXT: usize = 4_000;

/// The text, cut after [`TEXT`] characters.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => {
            let kept = text.get(..end).unwrap_or_default();
            format!("{kept} [cut after {TEXT} characters]")
        }
        None => text.to_owned(),
    }
}
