//! Makes text of agents and of files safe for people to see: characters that are invisible, reorder
//! the line or control a terminal are written out.

use std::borrow::Cow;

/// The text with control characters, bidirectional overrides and invisible characters as
/// `\u{202e}`. New lines and tabs stay; `\r\n` is a new line.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|character| character == '\r' || is_written_out(character)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\r' && characters.peek() == Some(&'\n') {
            continue;
        }
        if is_written_out(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// [`visible`] on one line: new lines and tabs become blanks.
pub fn visible_line(text: &str) -> String {
    visible(text).split(['\n', '\t']).map(str::trim).collect::<Vec<_>>().join(" ")
}

/// [`visible_line`] of at most so many characters of a text; what is cut ends with `…`.
pub fn cut_line(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => visible_line(text.get(..end).unwrap_or_default()) + "…",
        None => visible_line(text),
    }
}

/// Whether a person does not see the character, or not where it is, or a terminal obeys it:
/// controls, new lines and tabs among them, separators and annotations, and what Unicode lets a
/// reader ignore. The selectors between the text and the emoji form of a character are no such.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}'
            // Default_Ignorable_Code_Point, but for U+FE0E and U+FE0F.
            | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0d}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// [`is_hidden`] for names, in which nothing may be hidden: the selectors of emoji count as well.
pub fn is_hidden_in_a_name(character: char) -> bool {
    is_hidden(character) || matches!(character, '\u{fe0e}' | '\u{fe0f}')
}

/// A name with all that is hidden in it written out.
pub fn written_out(name: &str) -> String {
    let mut shown = String::with_capacity(name.len() + 16);
    for character in name.chars() {
        if is_hidden_in_a_name(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn is_written_out(character: char) -> bool {
    !matches!(character, '\n' | '\t') && is_hidden(character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hidden_characters_are_written_out() {
        assert_eq!(visible("a\u{202e}b\u{1b}[31m"), "a\\u{202e}b\\u{1b}[31m");
        assert_eq!(visible("one\r\ntwo\rthree\tü"), "one\ntwo\\u{d}three\tü");
        // Tags and selectors can carry a whole text that nobody sees; an emoji stays one.
        assert_eq!(
            visible("a\u{e0041}\u{e0101}\u{fe01}\u{3164}"),
            "a\\u{e0041}\\u{e0101}\\u{fe01}\\u{3164}"
        );
        assert_eq!(visible("\u{26a0}\u{fe0f} wait"), "\u{26a0}\u{fe0f} wait");
        assert_eq!(visible_line("one\r\n\ttwo"), "one  two");
    }

    /// All characters with a property of Unicode, by the tables of regex-syntax.
    fn with_property(property: &str) -> Vec<char> {
        let parsed = regex_syntax::parse(&format!("\\p{{{property}}}")).unwrap();
        let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) =
            parsed.kind()
        else {
            panic!("{property} is no class");
        };
        class.ranges().iter().flat_map(|range| range.start()..=range.end()).collect()
    }

    #[test]
    fn the_table_has_all_that_unicode_lets_a_reader_ignore_and_all_that_reorders() {
        for property in ["Default_Ignorable_Code_Point", "Bidi_Control", "Cc"] {
            let all = with_property(property);
            assert!(!all.is_empty());
            for character in all {
                assert!(is_hidden_in_a_name(character), "{property} {character:?}");
            }
        }
        // And no letter, sign or mark that is seen.
        let ignorable = with_property("Default_Ignorable_Code_Point");
        for property in ["L", "M", "N", "P", "S"] {
            for character in with_property(property) {
                let is_hidden = is_hidden_in_a_name(character);
                assert_eq!(is_hidden, ignorable.contains(&character), "{property} {character:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(is_written_out));
        }
    }
}
