//! Compares letters without their case: for `deny`, and for paths that no spelling may reach.

use std::borrow::Cow;

/// `text` in a spelling that all of its spellings by case have in common. For ASCII that is the
/// text itself, whose case the comparison ignores; letters that are the same by any case folding
/// of Unicode (`ſ` and `s`, `ẞ` and `ß`, the Kelvin sign and `k`) become the same.
pub(super) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().flat_map(folded).collect())
}

/// As [`fold`], without a change of what is ASCII in `glob`, such as the ends of `[A-Z]`.
pub(super) fn fold_beyond_ascii(glob: &str) -> Cow<'_, str> {
    if glob.is_ascii() {
        return Cow::Borrowed(glob);
    }
    let mut all = String::with_capacity(glob.len());
    for character in glob.chars() {
        if character.is_ascii() {
            all.push(character);
        } else {
            all.extend(folded(character));
        }
    }
    Cow::Owned(all)
}

/// Whether two names are the same but for the case of their letters.
pub(super) fn same_but_case(one: &str, other: &str) -> bool {
    one == other || fold(one).eq_ignore_ascii_case(&fold(other))
}

/// By way of capitals: they are what `ſ` and `s` have in common, and that of `ß` is `SS`.
fn folded(character: char) -> impl Iterator<Item = char> {
    character.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

    /// All letters that simple case folding takes for `character`.
    fn same_letters(character: char) -> Vec<char> {
        let mut class = ClassUnicode::new([ClassUnicodeRange::new(character, character)]);
        class.case_fold_simple();
        class.ranges().iter().flat_map(|range| range.start()..=range.end()).collect()
    }

    #[test]
    fn letters_that_unicode_folds_to_one_are_one() {
        let mut with_others = 0;
        // No letter with a case lies beyond.
        for character in '\0'..='\u{1efff}' {
            for same in same_letters(character) {
                with_others += usize::from(same != character);
                let (one, other) = (character.to_string(), same.to_string());
                assert!(same_but_case(&one, &other), "{one} and {other}");
            }
        }
        assert!(with_others > 2_500, "{with_others}");
    }

    #[test]
    fn no_letter_becomes_a_sign_that_a_glob_or_a_path_knows() {
        for character in '\u{80}'..=char::MAX {
            let all: String = folded(character).collect();
            assert!(
                !all.is_empty() && all.chars().all(|c| !c.is_ascii() || c.is_ascii_lowercase()),
                "{character} as {all}"
            );
        }
    }

    #[test]
    fn other_letters_stay_others() {
        for (one, other) in [("é", "e"), ("ö", "o"), ("日", "月"), ("a", "b"), ("æ", "ae")] {
            assert!(!same_but_case(one, other), "{one} and {other}");
        }
    }
}
