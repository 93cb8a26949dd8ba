//! The one bearer token of a request. Only the `Authorization` header is looked at, never the
//! query: a URL ends up in logs.

use http::header::{AUTHORIZATION, HeaderMap};

/// Longest token in bytes; access tokens with many groups have a few thousand.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// What is wrong with a request's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BearerError {
    /// Nothing that could be a token.
    #[error("a bearer token is needed: Authorization: Bearer TOKEN")]
    Missing,
    /// Which one to believe is not for the server to say.
    #[error("the request has more than one Authorization header")]
    Several,
    /// Another scheme, or something that cannot be a token.
    #[error("the Authorization header holds no bearer token: Authorization: Bearer TOKEN")]
    Malformed,
    /// A token that is bound to a key, whose proof nobody here verifies.
    #[error(
        "the Authorization header holds no bearer token but one of the scheme DPoP, whose proof is \
         not verified here: ask the issuer for a bearer token"
    )]
    Bound,
    /// Longer than any token of an honest issuer.
    #[error("the token is longer than 8,192 bytes")]
    TooLong,
}

/// The token of the only `Authorization` header. The scheme's case does not matter.
///
/// # Errors
/// Where there is no token, or more than one, or something else.
pub fn token(headers: &HeaderMap) -> Result<&str, BearerError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(BearerError::Missing)?;
    if values.next().is_some() {
        return Err(BearerError::Several);
    }
    let value = value.to_str().map_err(|_| BearerError::Malformed)?;
    let (scheme, token) = value.trim().split_once(' ').ok_or(BearerError::Malformed)?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("dpop") {
        return Err(BearerError::Bound);
    }
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(BearerError::Malformed);
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(BearerError::TooLong);
    }
    // The characters of RFC 6750. Hosts that join headers of one name put a comma between them.
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.contains(',') {
        return Err(BearerError::Several);
    }
    if token.bytes().all(good) { Ok(token) } else { Err(BearerError::Malformed) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&str]) -> Result<String, BearerError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        token(&headers).map(str::to_owned)
    }

    #[test]
    fn only_one_whole_token_is_taken() {
        for value in ["Bearer a.b-c_d", "bearer a.b-c_d", "BEARER   a.b-c_d "] {
            assert_eq!(of(&[value]).unwrap(), "a.b-c_d", "{value}");
        }
        assert_eq!(of(&[]), Err(BearerError::Missing));
        assert_eq!(of(&["DPoP a.b.c"]), Err(BearerError::Bound));
        assert_eq!(of(&["Bearer a", "Bearer b"]), Err(BearerError::Several));
        assert_eq!(of(&["Bearer a,Bearer b"]), Err(BearerError::Several));
        for value in ["", "Bearer", "Bearer ", "Basic YTpi", "a.b.c", "Bearer a b", "Bearer \"a\""]
        {
            assert_eq!(of(&[value]), Err(BearerError::Malformed), "{value}");
        }
        assert_eq!(of(&[&format!("Bearer {}", "a".repeat(8_193))]), Err(BearerError::TooLong));
    }
}
