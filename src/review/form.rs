//! Fields of a form or a query, as browsers send them.

use percent_encoding::percent_decode;

/// Names and values in the order in which they came.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`. Bytes that are no UTF-8 are replaced.
    pub fn parse(bytes: &[u8]) -> Fields {
        let decode = |part: &[u8]| {
            let spaced: Vec<u8> =
                part.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
            percent_decode(&spaced).decode_utf8_lossy().into_owned()
        };
        let fields = bytes.split(|byte| *byte == b'&').filter(|field| !field.is_empty());
        Fields(
            fields
                .map(|field| {
                    let mut parts = field.splitn(2, |byte| *byte == b'=');
                    let name = parts.next().unwrap_or_default();
                    (decode(name), decode(parts.next().unwrap_or_default()))
                })
                .collect(),
        )
    }

    /// Names and values in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first value of that name that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(there, _)| there == name).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded() {
        let fields = Fields::parse(b"a=1+2&b=%3C%ff&c&d=x=y&a=second");
        assert_eq!(fields.get("a"), Some("1 2"));
        assert_eq!(fields.get("b"), Some("<\u{fffd}"));
        assert_eq!(fields.get("c"), None);
        assert_eq!(fields.get("d"), Some("x=y"));
    }
}
