//! File names in diffs: C-quoted as git does when they hold unusual bytes.

/// The name as a diff's header has it. Names beyond ASCII stay readable.
pub(super) fn quote(name: &str) -> String {
    if !name.bytes().any(|byte| byte < 0x20 || matches!(byte, 0x7f | b'"' | b'\\')) {
        return name.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in name.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            control if control.is_ascii_control() => {
                quoted.push_str(&format!("\\{:03o}", u32::from(control)));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Reads a quoted name at the start of `text`, which begins with `"`. Answers the name and what
/// comes after it; none when the quoting is broken or the name is not UTF-8.
pub(super) fn unquote(text: &str) -> Option<(String, &str)> {
    let mut name = Vec::new();
    let mut rest = text.strip_prefix('"')?.bytes().enumerate();
    loop {
        let (at, byte) = rest.next()?;
        match byte {
            b'"' => {
                // One quote before, `at` bytes, and this quote.
                let after = text.get(at + 2..)?;
                return Some((String::from_utf8(name).ok()?, after));
            }
            b'\\' => name.push(match rest.next()?.1 {
                b'a' => 0x07,
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                plain @ (b'"' | b'\\') => plain,
                high @ b'0'..=b'3' => {
                    let octal = |digit: u8| (b'0'..=b'7').contains(&digit).then(|| digit - b'0');
                    let middle = octal(rest.next()?.1)?;
                    let low = octal(rest.next()?.1)?;
                    (high - b'0') * 64 + middle * 8 + low
                }
                _ => return None,
            }),
            other => name.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusual_names_survive_quoting() {
        for name in ["a\"b", "tab\there", "ünï", "back\\slash", "plain name", "\u{1}"] {
            let quoted = quote(name);
            if quoted.starts_with('"') {
                assert_eq!(unquote(&format!("{quoted} rest")), Some((name.to_owned(), " rest")));
            } else {
                assert_eq!(quoted, name);
            }
        }
        assert_eq!(unquote("\"a/\\303\\274\""), Some(("a/ü".to_owned(), "")));
        for broken in ["\"open", "\"a\\", "\"\\8\"", "\"\\477\"", "\"\\377\""] {
            assert_eq!(unquote(broken), None, "{broken}");
        }
    }
}
