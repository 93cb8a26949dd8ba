//! Whether a request carries a true Signature Version 4, worked out anew and not by the signer's
//! own code.

use std::collections::BTreeMap;

use ring::hmac;
use sha2::{Digest, Sha256};

/// A request as the URL received it.
pub(crate) struct Received {
    pub method: String,
    pub path: String,
    pub query: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// Whose access key has signed, if the signature is that of the key's secret for the service
/// `lambda` in `region`.
pub(crate) fn signer<'k>(
    request: &Received,
    region: &str,
    keys: &'k [(&'k str, &'k str, &'k str)],
) -> Option<&'k str> {
    let authorization = request.headers.get("authorization")?.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let parts: BTreeMap<&str, &str> =
        authorization.split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let credential: Vec<&str> = parts.get("Credential")?.split('/').collect();
    let [key, day, there, service, "aws4_request"] = credential.as_slice() else { return None };
    let time = request.headers.get("x-amz-date")?;
    if *there != region || *service != "lambda" || !time.starts_with(day) {
        return None;
    }
    let (_, secret, role) = keys.iter().find(|(name, _, _)| name == key)?;

    let names = *parts.get("SignedHeaders")?;
    // What decides about the answer must be signed.
    let mut needed = vec!["host", "x-amz-date"];
    needed.extend(request.headers.contains_key("content-type").then_some("content-type"));
    if !needed.iter().all(|needed| names.split(';').any(|name| name == *needed)) {
        return None;
    }
    let mut headers = String::new();
    for name in names.split(';') {
        headers += &format!("{name}:{}\n", request.headers.get(name)?.trim());
    }
    let mut pairs: Vec<String> = request
        .query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{names}\n{}",
        request.method,
        request.path.replace('%', "%25"),
        pairs.join("&"),
        hex(&Sha256::digest(&request.body))
    );
    let scope = format!("{day}/{region}/lambda/aws4_request");
    let text = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let sign = |key: &[u8], text: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
    };
    let mut derived = sign(format!("AWS4{secret}").as_bytes(), day);
    for part in [region, "lambda", "aws4_request"] {
        derived = sign(&derived, part);
    }
    (hex(&sign(&derived, &text)) == *parts.get("Signature")?).then_some(*role)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
