//! Findings as one HTML page that needs nothing else: it opens from a bucket, a mail or a disk.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::records::finding::Finding;
use crate::text::markup::Markup;

use super::groups::{Group, groups, name};
use super::markdown::{summary, verdict_name};

const STYLE: &str = include_str!("html.css");

/// The page. It has no script, and its policy lets nothing run and nothing be fetched; what
/// agents wrote is text.
pub fn html(findings: &[Finding]) -> String {
    let groups = groups(findings);
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let mut page = Markup::new();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src &#39;sha256-");
    page.text(&style).raw("&#39;; base-uri 'none'; form-action 'none'\">\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.raw("<meta name=\"referrer\" content=\"no-referrer\">\n<title>Findings</title>\n<style>");
    page.raw(STYLE).raw("</style>\n</head>\n<body>\n<main>\n<h1>Findings</h1>\n<p>");
    page.text(&summary(&groups)).raw("</p>\n");
    for (index, group) in groups.iter().enumerate() {
        one(&mut page, index as u64 + 1, group);
    }
    page.raw("</main>\n</body>\n</html>\n");
    page.into_string()
}

fn one(page: &mut Markup, number: u64, group: &Group<'_>) {
    let lead = group.lead;
    let severity = name(lead.severity);
    page.raw("<article class=\"").raw(severity).raw("\" aria-labelledby=\"f");
    page.number(number).raw("\">\n<h2 id=\"f").number(number).raw("\">").text(group.title());
    page.raw("</h2>\n<p><b class=\"").raw(severity).raw("\">").raw(severity).raw("</b> <code>");
    page.text(&group.place()).raw("</code> <span class=\"soft\">").text(&lead.rule_id);
    page.raw("; seen by ").text(&group.agents().join(", "));
    if let Some(verdict) = lead.verdict {
        page.raw("; ").raw(verdict_name(verdict));
    }
    page.raw("</span></p>\n<p class=\"text\">").text(&lead.message).raw("</p>\n");
    let snippet = lead.location.as_ref().and_then(|location| location.snippet.as_deref());
    if let Some(snippet) = snippet {
        block(page, "<pre tabindex=\"0\" aria-label=\"Source\">", snippet);
    }
    if let Some(text) = group.first(|finding| finding.failure_scenario.as_ref()) {
        page.raw("<p class=\"text\"><b>What goes wrong:</b> ").text(text).raw("</p>\n");
    }
    if let Some(text) = group.first(|finding| finding.recommendation.as_ref()) {
        page.raw("<p class=\"text\"><b>What to do:</b> ").text(text).raw("</p>\n");
    }
    for text in group.evidence() {
        block(page, "<pre tabindex=\"0\" aria-label=\"Evidence\">", text);
    }
    page.raw("<p class=\"soft\">fingerprint <code>").text(&lead.fingerprint);
    page.raw("</code></p>\n</article>\n");
}

/// A new line right after `<pre>` would be swallowed, so one stands there.
fn block(page: &mut Markup, open: &'static str, text: &str) {
    page.raw(open).raw("\n").text(text).raw("</pre>\n");
}
