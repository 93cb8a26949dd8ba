//! The kinds of events of a Lambda function, and which of them it answers. Whoever may invoke a
//! function directly writes the whole event, so each kind that says itself who calls is a way to be
//! any caller of that kind; a function answers only those kinds that it is there for.

use std::fmt;

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A request to the function URL that IAM has authorized, as the event says.
    UrlIam,
    /// A request to the function URL whose caller proves itself, by an access token.
    UrlToken,
    /// A call by an AgentCore Gateway with the function as a Lambda target.
    Gateway,
    /// A call by a Bedrock agent with the function as an action group's executor.
    ActionGroup,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [EventKind; 4] =
        [EventKind::UrlIam, EventKind::UrlToken, EventKind::Gateway, EventKind::ActionGroup];

    /// The name in settings and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::UrlIam => "url-iam",
            EventKind::UrlToken => "url-token",
            EventKind::Gateway => "gateway",
            EventKind::ActionGroup => "action-group",
        }
    }

    /// How the ids begin of callers whom an event of this kind names; none where the event is not
    /// believed about it.
    pub fn names_callers(self) -> Option<&'static str> {
        match self {
            EventKind::UrlIam => Some("arn:"),
            EventKind::UrlToken => None,
            EventKind::Gateway => Some("agentcore:"),
            EventKind::ActionGroup => Some("bedrock-agent:"),
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.as_str())
    }
}

/// The kinds that a function answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenEvents([bool; EventKind::ALL.len()]);

impl OpenEvents {
    /// Whether this kind is answered.
    pub fn has(self, kind: EventKind) -> bool {
        self.iter().any(|open| open == kind)
    }

    /// The kinds that are answered.
    pub fn iter(self) -> impl Iterator<Item = EventKind> {
        EventKind::ALL.into_iter().zip(self.0).filter_map(|(kind, open)| open.then_some(kind))
    }
}

impl FromIterator<EventKind> for OpenEvents {
    fn from_iter<I: IntoIterator<Item = EventKind>>(kinds: I) -> OpenEvents {
        let kinds: Vec<_> = kinds.into_iter().collect();
        OpenEvents(EventKind::ALL.map(|kind| kinds.contains(&kind)))
    }
}

impl fmt::Display for OpenEvents {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(EventKind::as_str).collect();
        to.write_str(&names.join(","))
    }
}
