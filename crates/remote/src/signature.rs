//! Signs one request with Signature Version 4, by the SDK's own signer.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use crate::RemoteError;

/// What signs, and for whom.
pub(crate) struct Signer<'a> {
    pub credentials: Credentials,
    pub service: &'a str,
    pub region: &'a str,
    pub time: SystemTime,
}

impl Signer<'_> {
    /// The headers that a request needs besides its own, all of which are signed.
    ///
    /// # Errors
    /// When a header is not text.
    pub(crate) fn headers(
        self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Vec<(HeaderName, HeaderValue)>, RemoteError> {
        let failed =
            |error: &dyn std::error::Error| RemoteError::Signature(crate::place::chain(error));
        let mut own = Vec::new();
        for (name, value) in headers {
            let text = value.to_str().map_err(|_| {
                RemoteError::Signature(format!("the header `{name}` is not plain text"))
            })?;
            own.push((name.as_str(), text));
        }
        let identity = self.credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(self.time)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let body = SignableBody::Bytes(body);
        let request = SignableRequest::new(method.as_str(), url.as_str(), own.into_iter(), body)
            .map_err(|error| failed(&error))?;
        let (instructions, _) =
            sign(request, &parameters).map_err(|error| failed(&error))?.into_parts();
        let mut signed = Vec::new();
        for (name, value) in instructions.headers() {
            let name = HeaderName::try_from(name).map_err(|error| failed(&error))?;
            let mut value = HeaderValue::from_str(value).map_err(|error| failed(&error))?;
            value.set_sensitive(true);
            signed.push((name, value));
        }
        Ok(signed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// The example `get-vanilla` of AWS's own test suite for Signature Version 4.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let signer = Signer {
            credentials: Credentials::new(
                "AKIDEXAMPLE",
                "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                None,
                None,
                "test",
            ),
            service: "service",
            region: "us-east-1",
            // 2015-08-30T12:36:00Z
            time: UNIX_EPOCH + Duration::from_secs(1_440_938_160),
        };
        let url = Url::parse("https://example.amazonaws.com/").unwrap();
        let signed = signer.headers(&Method::GET, &url, &HeaderMap::new(), b"").unwrap();
        let authorization = signed.iter().find(|(name, _)| name == "authorization").unwrap();
        assert_eq!(
            authorization.1.to_str().unwrap(),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    #[test]
    fn what_is_sent_is_what_is_signed() {
        let signer = |token: Option<&str>| Signer {
            credentials: Credentials::new("A", "secret", token.map(str::to_owned), None, "test"),
            service: "lambda",
            region: "eu-west-1",
            time: UNIX_EPOCH,
        };
        let url = Url::parse("http://127.0.0.1:9/a%20b?c=d").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let of = |token, body: &[u8]| {
            let signed = signer(token).headers(&Method::POST, &url, &headers, body).unwrap();
            signed
                .into_iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect::<std::collections::BTreeMap<_, _>>()
        };
        let plain = of(None, b"{}");
        let authorization = &plain["authorization"];
        assert!(
            authorization.contains("SignedHeaders=content-type;host;x-amz-date,"),
            "{authorization}"
        );
        assert_ne!(*authorization, of(None, b"{ }")["authorization"]);
        assert_eq!(of(Some("session"), b"{}")["x-amz-security-token"], "session");
    }
}
