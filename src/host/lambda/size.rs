//! How much Lambda takes in one piece.

use axum::body::Bytes;
use mcp_workspace_lambda::Diagnostic;

/// Largest answer that Lambda takes, in bytes.
pub(super) const MAX_ANSWER_BYTES: usize = 6 * 1024 * 1024;

/// Refuses an answer that is larger than Lambda takes. Answers are bounded far below that limit, so
/// this is only a safeguard.
pub(super) fn within_limit(answer: Bytes) -> Result<Bytes, Diagnostic> {
    if answer.len() <= MAX_ANSWER_BYTES {
        return Ok(answer);
    }
    let error_message = format!(
        "the answer has {} bytes and Lambda takes {MAX_ANSWER_BYTES}; ask for less: a smaller \
         limit, a narrower path",
        answer.len()
    );
    Err(Diagnostic { error_type: "AnswerTooLarge".to_owned(), error_message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_told_by_a_fault() {
        assert!(within_limit(Bytes::from(vec![b' '; MAX_ANSWER_BYTES])).is_ok());
        let fault = within_limit(Bytes::from(vec![b' '; MAX_ANSWER_BYTES + 1])).unwrap_err();
        assert_eq!(fault.error_type, "AnswerTooLarge");
        assert!(fault.error_message.contains("6291457 bytes"), "{}", fault.error_message);
    }
}
