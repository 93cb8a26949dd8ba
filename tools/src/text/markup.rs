//! Writes HTML. Only text that was compiled in is written as markup; all other text is escaped.

use std::fmt::Write;

use super::visible::visible;

/// A growing piece of HTML. What comes from outside can only be added escaped, because
/// [`Markup::raw`] takes nothing that was made at run time.
#[derive(Debug, Default)]
pub struct Markup(String);

impl Markup {
    /// Nothing yet.
    pub fn new() -> Markup {
        Markup::default()
    }

    /// Markup of the program.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text from outside, escaped for content and for quoted attributes, with hidden characters
    /// written out.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for character in visible(text).chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
        self
    }

    /// A number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{number}");
        self
    }

    /// Another piece.
    pub fn append(&mut self, other: &Markup) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    /// The HTML.
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        let mut markup = Markup::new();
        markup.raw("<p title=\"").text("\"><script>'&\u{202e}").raw("\">").number(7);
        let html = "<p title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\\u{202e}\">7";
        assert_eq!(markup.into_string(), html);
    }
}
