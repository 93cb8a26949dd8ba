//! The head and the navigation that all pages share.

use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::text::markup::Markup;

use crate::page::Pages;

/// Which of the two lists a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Findings,
    Proposals,
}

/// A whole page around `body`.
pub(super) fn whole(pages: &Pages, title: &str, part: Part, body: &Markup) -> String {
    let mut page = Markup::new();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    page.text(title).raw(" · Review</title>\n<link rel=\"stylesheet\" href=\"/review.css\">\n");
    page.raw("<script src=\"/review.js\" defer></script>\n</head>\n<body>\n");
    page.raw("<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header>\n");
    page.raw("<nav aria-label=\"Lists\"><a href=\"/\"");
    page.raw(current(part == Part::Findings)).raw(">Findings</a> <a href=\"/proposals\"");
    page.raw(current(part == Part::Proposals)).raw(">Proposals</a></nav>\n<p>You are <b>");
    page.text(&pages.person).raw("</b></p>\n</header>\n<main id=\"main\" tabindex=\"-1\">\n");
    page.append(body);
    page.raw("</main>\n</body>\n</html>\n");
    page.into_string()
}

fn current(is: bool) -> &'static str {
    if is { " aria-current=\"true\"" } else { "" }
}

/// The page for what could not be done.
pub(crate) fn problem(pages: &Pages, path: &str, error: &ToolError) -> String {
    let part = if path.starts_with("/proposal") { Part::Proposals } else { Part::Findings };
    let mut body = Markup::new();
    body.raw("<h1>This could not be done</h1>\n<p class=\"problem text\" role=\"alert\">");
    body.text(&error.to_text()).raw("</p>\n<p><a href=\"");
    let mut parts = path.trim_matches('/').split('/');
    match (parts.next(), parts.next()) {
        (Some("proposal"), Some(id)) => {
            body.raw("/proposal/").text(id).raw("\">Back to the proposal</a></p>\n")
        }
        _ => body.raw("/\">Back to the findings</a></p>\n"),
    };
    whole(pages, "This could not be done", part, &body)
}
