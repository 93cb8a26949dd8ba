//! The table of access tokens: one thing wrong in each row.

use serde_json::json;

use crate::case::{anna, nobody, rows};
use crate::issuer::{AUDIENCE, IDP, ISSUER, Signer, encode, now, rsa_public_as_secrets};

rows! {
    // Tokens that are believed.
    a_good_token: anna().passes();
    signed_by_rsa_pss: anna().algorithm("PS256", "rsa", Signer::Rsa("PS256")).passes();
    signed_on_p256: anna().algorithm("ES256", "es256", Signer::Es256).passes();
    signed_on_p384: anna().algorithm("ES384", "es384", Signer::Es384).passes();
    signed_by_ed25519: anna().algorithm("EdDSA", "ed25519", Signer::EdDsa).passes();
    the_scheme_in_lower_case: anna().scheme("bearer").passes();
    an_audience_among_others: anna().claim("aud", json!(["api://other", AUDIENCE])).passes();
    the_second_audience_of_the_server: anna().claim("aud", "api://workspace").passes();
    a_type_of_plain_jwt: anna().head("typ", "JWT").passes();
    a_token_without_a_type: anna().without_head("typ").passes();
    a_subject_of_auth0: anna().sub("auth0|6478").passes();
    a_subject_of_a_build: anna().sub("repo:org/name:ref:refs/heads/main").passes();
    a_subject_without_a_role: anna().sub("bert")
        .has_no_role("jwt:https://idp.example.com/realm#sub=bert");
    a_fractional_expiry: anna().claim("exp", (now() + 300) as f64 + 0.5).passes();

    // Time.
    expired_within_the_skew: anna().claim("exp", now() - 30).passes();
    expired_beyond_the_skew: anna().claim("exp", now() - 90).fails("expired");
    expired_long_ago: anna().claim("exp", 1).fails("expired");
    an_expiry_below_zero: anna().claim("exp", -1).fails("claim");
    an_expiry_as_text: anna().claim("exp", (now() + 300).to_string()).fails("claim");
    no_expiry: anna().without("exp").fails("`exp`");
    not_yet_valid_within_the_skew: anna().claim("nbf", now() + 30).passes();
    not_yet_valid_beyond_the_skew: anna().claim("nbf", now() + 90).fails("not valid yet");
    a_beginning_as_text: anna().claim("nbf", "now").fails("claims");

    // Whom it is for and by.
    another_audience: anna().claim("aud", "https://other.example.com/mcp").fails("audience");
    other_audiences: anna().claim("aud", json!(["a", "b"])).fails("audience");
    no_audiences: anna().claim("aud", json!([])).fails("audience");
    no_audience: anna().without("aud").fails("`aud`");
    an_audience_that_begins_the_same:
        anna().claim("aud", format!("{AUDIENCE}/v2")).fails("audience");
    an_audience_with_another_case:
        anna().claim("aud", AUDIENCE.to_uppercase()).fails("audience");
    an_audience_as_a_number: anna().claim("aud", 1).fails("claim");
    another_issuer: anna().claim("iss", "https://evil.example.com").fails("another issuer");
    the_issuer_with_a_slash: anna().claim("iss", format!("{ISSUER}/")).fails("another issuer");
    a_list_of_issuers: anna().claim("iss", json!([ISSUER])).fails("claims");
    no_issuer: anna().without("iss").fails("`iss`");

    // Subjects that could be read as something else.
    no_subject: anna().without("sub").fails("`sub`");
    an_empty_subject: anna().sub("").fails("subject");
    a_subject_of_a_pattern: anna().sub("*").fails("subject");
    a_subject_with_a_pattern: anna().sub("ann*").fails("subject");
    a_subject_within_a_subject: anna().sub("x#sub=anna").fails("subject");
    a_subject_with_a_line: anna().sub("anna\nlocal").fails("subject");
    a_subject_with_a_space: anna().sub("anna ").fails("subject");
    a_subject_that_only_looks_the_same: anna().sub("\u{430}nna").fails("subject");
    a_long_subject: anna().sub(&"a".repeat(256)).fails("subject");
    a_subject_as_a_number: anna().claim("sub", 7).fails("claims");

    // Signatures.
    the_algorithm_none: anna().head("alg", "none").signer(Signer::Nobody).fails("JWT");
    the_algorithm_none_in_capitals:
        anna().head("alg", "NONE").signer(Signer::Nobody).fails("JWT");
    no_algorithm: anna().without_head("alg").fails("JWT");
    no_signature: anna().signer(Signer::Nobody).fails("signature");
    the_signature_cut_off: anna().tamper(|token| token.rsplit_once('.').unwrap().0.to_owned())
        .fails("JWT");
    a_signature_of_somebody_else:
        anna().algorithm("ES256", "es256", Signer::Stranger).fails("signature");
    a_key_in_the_token: anna().algorithm("ES256", "es256", Signer::Stranger)
        .head("jwk", IDP.stranger_public()).fails("signature");
    a_link_to_a_key_in_the_token: anna().algorithm("ES256", "mine", Signer::Stranger)
        .head("jku", "https://evil.example.com/keys").fails("key");
    claims_changed_after_signing: anna().tamper(|token| {
        let parts: Vec<_> = token.split('.').collect();
        let claims = json!({ "iss": ISSUER, "sub": "auth0|1", "aud": AUDIENCE, "exp": now() + 300 });
        format!("{}.{}.{}", parts[0], encode(claims.to_string()), parts[2])
    }).fails("signature");
    rsa_under_the_name_of_another_hash:
        anna().head("alg", "PS256").fails("signature");
    an_algorithm_that_is_not_configured:
        anna().algorithm("RS512", "rsa", Signer::Rsa("RS512")).fails("algorithm");
    a_curve_under_the_id_of_rsa:
        anna().algorithm("ES256", "rsa", Signer::Es256).fails("key");
    the_public_key_as_a_secret_in_der: hmac(0).fails("algorithm");
    the_public_key_as_a_secret_in_pem: hmac(1).fails("algorithm");
    the_public_key_as_a_secret_in_json: hmac(2).fails("algorithm");
    the_modulus_as_a_secret: hmac(3).fails("algorithm");
    hmac_under_the_name_of_rsa: anna()
        .signer(Signer::Hmac(rsa_public_as_secrets()[1].clone())).fails("signature");

    // Keys.
    an_unknown_key: anna().head("kid", "other").fails("key");
    an_empty_key_id: anna().head("kid", "").fails("key");
    a_path_as_a_key_id: anna().head("kid", "../../dev/null").fails("key");
    no_key_id_where_one_key_fits: anna().without_head("kid").passes();
    a_key_id_as_a_number: anna().head("kid", 1).fails("JWT");

    // Tokens of other kinds.
    a_token_of_another_type: anna().head("typ", "dpop+jwt").fails("`typ`");
    a_logout_token: anna().head("typ", "logout+jwt").fails("`typ`");
    an_extension_that_is_critical:
        anna().head("crit", json!(["exp"])).fails("extension");
    a_payload_without_base64: anna().head("b64", false).fails("extension");
    a_compressed_token: anna().head("zip", "DEF").fails("compressed");
    an_opaque_token: anna().tamper(|_| "mcpw_0123456789".to_owned()).fails("JWT");
    five_parts: anna().tamper(|token| format!("{token}.a.b")).fails("JWT");
    claims_that_are_no_json: anna().tamper(|token| {
        let parts: Vec<_> = token.split('.').collect();
        format!("{}.{}.{}", parts[0], encode("anna"), parts[2])
    }).fails("signature");
    a_claim_given_twice: anna().tamper(|token| {
        let parts: Vec<_> = token.split('.').collect();
        let header = String::from_utf8(decode(parts[0])).unwrap();
        let header = header.replacen('{', "{\"alg\":\"none\",", 1);
        format!("{}.{}.{}", encode(header), parts[1], parts[2])
    }).fails("JWT");

    // Tokens that only the holder of a key may show (RFC 7800, 8705, 9449).
    bound_by_dpop: anna().claim("cnf", json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }))
        .fails("`cnf`");
    bound_to_a_certificate: anna()
        .claim("cnf", json!({ "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" }))
        .fails("`cnf`");
    bound_to_nothing: anna().claim("cnf", json!(null)).fails("`cnf`");

    // How it is shown.
    no_token: nobody().fails("bearer token is needed");
    the_token_in_the_query: anna().in_query().fails("bearer token is needed");
    another_scheme: anna().scheme("DPoP").fails("no bearer token");
    another_scheme_says_why: anna().scheme("dpop").fails("not verified here");
    basic_credentials: nobody().authorization(&["Basic YW5uYTpwYXNz"]).fails("no bearer token");
    no_scheme: anna().authorization(&["TOKEN"]).fails("no bearer token");
    an_empty_token: anna().authorization(&["Bearer "]).fails("no bearer token");
    two_headers: anna().authorization(&["Bearer TOKEN", "Bearer TOKEN"])
        .fails("more than one");
    two_headers_as_lambda_joins_them:
        anna().authorization(&["Bearer TOKEN,Bearer TOKEN"]).fails("more than one");
    an_oversized_token: anna().claim("groups", "g".repeat(9_000)).fails("8,192");

    // Scopes.
    all_scopes: anna().sub("scoped").claim("scope", "workspace:search openid workspace:read")
        .passes();
    all_scopes_as_a_list: anna().sub("scoped")
        .claim("scp", json!(["workspace:read", "workspace:search"])).passes();
    one_scope_of_two: anna().sub("scoped").claim("scope", "workspace:read")
        .forbidden("workspace:search");
    no_scopes: anna().sub("scoped").forbidden("workspace:read workspace:search");
    scopes_that_begin_the_same: anna().sub("scoped")
        .claim("scope", "workspace:readonly workspace:search").forbidden("scopes");
    scopes_joined_into_one: anna().sub("scoped")
        .claim("scp", json!(["workspace:read workspace:search"])).forbidden("scopes");
}

fn hmac(form: usize) -> crate::case::Case {
    let secret = rsa_public_as_secrets()[form].clone();
    anna().algorithm("HS256", "rsa", Signer::Hmac(secret))
}

fn decode(part: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()
}
