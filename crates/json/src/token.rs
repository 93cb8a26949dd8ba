//! The tokens of a JSON text, as far as they tell its size. Whether it is JSON is for the parser.

use std::ops::RangeInclusive;

/// A token, with the place of its bytes where somebody asks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// `{` or `[`
    Open,
    /// `}` or `]`
    Close,
    Colon,
    Comma,
    /// From quote to quote, or to the end.
    Text(RangeInclusive<usize>),
    /// A number or a word, or whatever else stands outside of quotes.
    Plain(RangeInclusive<usize>),
}

/// The tokens of any bytes.
pub(crate) struct Tokens<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(crate) fn of(text: &'t [u8]) -> Tokens<'t> {
        Tokens { text, at: 0 }
    }

    /// Goes to the quote that ends the text, and past it.
    fn skip_text(&mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => return,
                b'\\' => self.at += 1,
                _ => {}
            }
        }
        // A backslash may have been the last byte.
        self.at = self.at.min(self.text.len());
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        let (begin, first) = (self.at, *self.text.get(self.at)?);
        self.at += 1;
        Some(match first {
            b'{' | b'[' => Token::Open,
            b'}' | b']' => Token::Close,
            b':' => Token::Colon,
            b',' => Token::Comma,
            b'"' => {
                self.skip_text();
                Token::Text(begin..=self.at - 1)
            }
            _ => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let ends = |byte: &u8| byte.is_ascii_whitespace() || b"{}[]:,\"".contains(byte);
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
                Token::Plain(begin..=self.at - 1)
            }
        })
    }
}
