//! Findings as one self-contained HTML page, which opens from a bucket, a mail or a disk.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::records::merged::{MergedFinding, MergedFindings};
use crate::text::markup::Markup;

use super::describe::{agents, place, severity_name, snippet, summary, title, verdict_name};

const STYLE: &str = include_str!("html.css");

/// The page. It has no script, and its policy lets nothing run and nothing be fetched; what
/// agents wrote is text.
pub fn html(merged: &MergedFindings) -> String {
    let findings = &merged.findings;
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let mut page = Markup::new();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src &#39;sha256-");
    page.text(&style).raw("&#39;; base-uri 'none'; form-action 'none'\">\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.raw("<meta name=\"referrer\" content=\"no-referrer\">\n<title>Findings</title>\n<style>");
    page.raw(STYLE).raw("</style>\n</head>\n<body>\n<main>\n<h1>Findings</h1>\n<p>");
    page.text(&summary(findings)).raw("</p>\n");
    for (index, finding) in findings.iter().enumerate() {
        one(&mut page, index as u64 + 1, finding);
    }
    page.raw("</main>\n</body>\n</html>\n");
    page.into_string()
}

fn one(page: &mut Markup, number: u64, finding: &MergedFinding) {
    let severity = severity_name(finding.severity);
    page.raw("<article class=\"").raw(severity).raw("\" aria-labelledby=\"f");
    page.number(number).raw("\">\n<h2 id=\"f").number(number).raw("\">").text(title(finding));
    page.raw("</h2>\n<p><b class=\"").raw(severity).raw("\">").raw(severity).raw("</b> <code>");
    page.text(&place(finding)).raw("</code> <span class=\"soft\">").text(&finding.rule_id);
    page.raw("; seen by ").text(&agents(finding).join(", "));
    if let Some(verdict) = finding.verdict {
        page.raw("; ").raw(verdict_name(verdict));
    }
    page.raw("</span></p>\n<p class=\"text\">").text(&finding.message).raw("</p>\n");
    if let Some(snippet) = snippet(finding) {
        block(page, "<pre tabindex=\"0\" role=\"group\" aria-label=\"Source\">", snippet);
    }
    if let Some(text) = &finding.failure_scenario {
        page.raw("<p class=\"text\"><b>What goes wrong:</b> ").text(text).raw("</p>\n");
    }
    if let Some(text) = &finding.recommendation {
        page.raw("<p class=\"text\"><b>What to do:</b> ").text(text).raw("</p>\n");
    }
    for text in &finding.evidence {
        block(page, "<pre tabindex=\"0\" role=\"group\" aria-label=\"Evidence\">", text);
    }
    page.raw("<p class=\"soft\">fingerprint <code>").text(&finding.fingerprint);
    page.raw("</code></p>\n</article>\n");
}

/// A new line right after `<pre>` would be swallowed, so one stands there.
fn block(page: &mut Markup, open: &'static str, text: &str) {
    page.raw(open).raw("\n").text(text).raw("</pre>\n");
}
