//! Text of agents and of files as a person may safely see it: what is invisible, reorders the
//! line or speaks to a terminal is written out.

use std::borrow::Cow;

/// The text with control characters, bidirectional overrides and invisible characters as
/// `\u{202e}`. New lines and tabs stay; `\r\n` is a new line.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|character| character == '\r' || is_hidden(character)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\r' && characters.peek() == Some(&'\n') {
            continue;
        }
        if is_hidden(character) {
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

fn is_hidden(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        // Soft hyphen, Arabic letter mark, Mongolian separator, zero-width and direction marks,
        // separators, embeddings and overrides, isolates, the byte order mark, annotations, tags.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        other => other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hidden_characters_are_written_out() {
        assert_eq!(visible("a\u{202e}b\u{1b}[31m"), "a\\u{202e}b\\u{1b}[31m");
        assert_eq!(visible("one\r\ntwo\rthree\tü"), "one\ntwo\\u{d}three\tü");
        assert_eq!(visible_line("one\r\n\ttwo"), "one  two");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(is_hidden));
        }
    }
}
