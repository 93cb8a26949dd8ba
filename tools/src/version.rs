//! The version of a file: the SHA-256 of its content. Models are shown the beginning of it, and
//! may give that or all of it.

/// Hex digits of a whole version.
const DIGITS: usize = 64;
/// Hex digits that are shown, and the least that stand for a version: 80 bits. All 64 cost a model
/// 40 tokens a file.
pub(crate) const SHOWN_DIGITS: usize = 20;

/// A version as a model is shown it.
pub(crate) fn shown(version: &str) -> &str {
    version.get(..SHOWN_DIGITS).unwrap_or(version)
}

/// A version as a caller gives it, whole or from its beginning; none where it is no version.
pub(crate) fn given(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    let is_one = (SHOWN_DIGITS..=DIGITS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| text.to_ascii_lowercase())
}

/// Whether the version that a caller gave, read by [`given`], is that of a content.
pub(crate) fn is(given: &str, version: &str) -> bool {
    given.len() >= SHOWN_DIGITS && version.starts_with(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::version as of;

    #[test]
    fn the_beginning_stands_for_the_whole_and_nothing_shorter_does() {
        let whole = of(b"text");
        for digits in SHOWN_DIGITS..=DIGITS {
            assert!(is(&given(whole.to_uppercase().get(..digits).unwrap()).unwrap(), &whole));
        }
        assert_eq!(given(whole.get(..SHOWN_DIGITS - 1).unwrap()), None);
        assert_eq!(given(&format!("{whole}0")), None);
        assert!(!is(whole.get(..SHOWN_DIGITS - 1).unwrap(), &whole));
        assert!(!is(&given(&of(b"other")).unwrap(), &whole));
    }
}
