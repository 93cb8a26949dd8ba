//! The prompt cache of a loopback model: what of a request it would serve, by the very bytes that
//! were sent. A token is four of them.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

/// Fewest tokens that are kept.
const LEAST: usize = 1024;
/// How a cache point begins. Within a string of JSON, quotes are escaped, so this is never text.
const POINT: &str = r#",{"cachePoint":{"#;

/// Tokens of a request, by where they come from.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Sent, and neither read nor written.
    pub input: usize,
    /// Read from the cache.
    pub read: usize,
    /// Written to the cache.
    pub write: usize,
}

impl Served {
    /// The share of what was sent that the cache has served.
    pub fn share(self) -> f64 {
        let all = self.input + self.read + self.write;
        self.read as f64 / all.max(1) as f64
    }

    /// Dollars at these prices for a million tokens: sent, read, written.
    pub fn cost(self, input: f64, read: f64, write: f64) -> f64 {
        let millions = |tokens: usize| tokens as f64 / 1e6;
        millions(self.input) * input + millions(self.read) * read + millions(self.write) * write
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Served) -> Served {
        Served {
            input: self.input + other.input,
            read: self.read + other.read,
            write: self.write + other.write,
        }
    }
}

/// What is kept, and the request before.
#[derive(Debug, Default)]
pub struct PromptCache {
    kept: HashSet<[u8; 32]>,
    before: String,
    /// Of each request so far.
    served: Vec<Served>,
    /// Requests in which something that had been sent before was written otherwise.
    rewritten: usize,
}

impl PromptCache {
    /// Takes a request, and tells what was served.
    pub fn take(&mut self, body: &str) -> Served {
        let (text, points) = prefix(body);
        let tokens = |bytes: usize| bytes / 4;
        let keys: Vec<(usize, [u8; 32])> = points
            .into_iter()
            .filter(|end| tokens(*end) >= LEAST)
            .map(|end| (end, Sha256::digest(&text.as_bytes()[..end]).into()))
            .collect();
        let hit = keys.iter().rev().find(|(_, key)| self.kept.contains(key));
        let read = hit.map_or(0, |(end, _)| tokens(*end));
        let last = keys.last().map_or(0, |(end, _)| tokens(*end));
        self.kept.extend(keys.iter().map(|(_, key)| *key));
        let (read, write) = (read, last.saturating_sub(read));
        let served = Served { input: tokens(text.len()) - read - write, read, write };
        self.served.push(served);
        // What ends the messages, `]}]`, gives way to what comes after.
        let begun = self.before.trim_end_matches(['}', ']']);
        self.rewritten += usize::from(!text.starts_with(begun));
        self.before = text;
        served
    }

    /// What was served of each request.
    pub fn served(&self) -> &[Served] {
        &self.served
    }

    /// How many requests did not begin with the one before them.
    pub fn rewritten(&self) -> usize {
        self.rewritten
    }
}

/// What the cache sees of a request, without its points, and where they stood. It sees tools,
/// system and messages in this order, so a request must be written in it to be judged.
fn prefix(body: &str) -> (String, Vec<usize>) {
    let order = ["{\"toolConfig\":", "\"system\":", "\"messages\":", "\"inferenceConfig\":"];
    let places: Vec<Option<usize>> = order.iter().map(|key| body.find(key)).collect();
    assert!(places.is_sorted() && places[0] == Some(0), "{places:?}");
    let end = body.rfind(order[3]).unwrap();
    let body = body[..end].trim_end_matches(',');
    let mut pieces = body.split(POINT);
    let mut text = pieces.next().unwrap().to_owned();
    let mut points = Vec::new();
    for piece in pieces {
        points.push(text.len());
        text.push_str(piece.split_once("}}").unwrap().1);
    }
    (text, points)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(tools: &str, messages: &[String]) -> String {
        let point = r#",{"cachePoint":{"type":"default"}}"#;
        let messages: Vec<String> = messages
            .iter()
            .map(|text| format!(r#"{{"role":"user","content":[{{"text":"{text}"}}{point}]}}"#))
            .collect();
        format!(
            r#"{{"toolConfig":{{"tools":[{{"t":"{tools}"}}{point}]}},"system":[{{"text":"s"}}],"messages":[{}],"inferenceConfig":{{}}}}"#,
            messages.join(",")
        )
    }

    #[test]
    fn only_the_same_bytes_are_served() {
        let (tools, text) = ("t".repeat(8000), "m".repeat(4000));
        let mut cache = PromptCache::default();
        let first = cache.take(&body(&tools, std::slice::from_ref(&text)));
        assert_eq!(first.read, 0);
        assert!(first.write > 2900, "{first:?}");
        let second = cache.take(&body(&tools, &[text.clone(), text.clone()]));
        assert_eq!(second.read, first.write);
        assert_eq!(cache.rewritten(), 0);
        // Another order of the same JSON, another text in front: nothing.
        let third = cache.take(&body(&format!("x{tools}"), &[text]));
        assert_eq!((third.read, cache.rewritten()), (0, 1));
    }
}
