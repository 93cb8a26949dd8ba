//! The table of IAM identities, of headers that look like them, and of roles that speak for
//! others.

use serde_json::{Value, json};

use crate::case::{anna, authorized, nobody, rows, signed_by};

const ROLE: &str = "arn:aws:iam::123456789012:role/reviewer";
const GATEWAY: &str = "arn:aws:sts::123456789012:assumed-role/gateway-1/session";
const GATEWAY_ROLE: &str = "arn:aws:iam::123456789012:role/gateway-1";

rows! {
    // Who Lambda says has signed.
    a_role: signed_by("arn:aws:sts::123456789012:assumed-role/reviewer/review-7")
        .passes_as(ROLE, "iam");
    another_session_of_the_role: signed_by("arn:aws:sts::123456789012:assumed-role/reviewer/x@y.z")
        .passes_as(ROLE, "iam");
    a_role_of_another_account: signed_by("arn:aws:sts::999999999999:assumed-role/reviewer/review-7")
        .has_no_role("arn:aws:iam::999999999999:role/reviewer");
    a_role_of_another_partition:
        signed_by("arn:aws-cn:sts::123456789012:assumed-role/reviewer/review-7")
        .has_no_role("arn:aws-cn:iam::123456789012:role/reviewer");
    a_role_with_a_longer_name: signed_by("arn:aws:sts::123456789012:assumed-role/reviewer2/s")
        .has_no_role("arn:aws:iam::123456789012:role/reviewer2");
    a_role_in_other_letters: signed_by("arn:aws:sts::123456789012:assumed-role/Reviewer/s")
        .has_no_role("arn:aws:iam::123456789012:role/Reviewer");
    a_session_named_like_the_role:
        signed_by("arn:aws:sts::123456789012:assumed-role/other/reviewer")
        .has_no_role("arn:aws:iam::123456789012:role/other");
    a_user: signed_by("arn:aws:iam::123456789012:user/anna")
        .passes_as("arn:aws:iam::123456789012:user/anna", "iam");
    a_user_with_a_path: signed_by("arn:aws:iam::123456789012:user/team/anna")
        .has_no_role("arn:aws:iam::123456789012:user/team/anna");
    a_user_named_like_a_role: signed_by("arn:aws:iam::123456789012:user/role/reviewer")
        .has_no_role("arn:aws:iam::123456789012:user/role/reviewer");
    the_root_user: signed_by("arn:aws:iam::123456789012:root")
        .has_no_role("arn:aws:iam::123456789012:root");
    a_federated_user: signed_by("arn:aws:sts::123456789012:federated-user/anna")
        .has_no_role("arn:aws:sts::123456789012:federated-user/anna");
    a_bare_role_signs_nothing: signed_by(ROLE).fails("no caller");
    a_role_without_a_session: signed_by("arn:aws:sts::123456789012:assumed-role/reviewer")
        .fails("no caller");
    an_empty_session: signed_by("arn:aws:sts::123456789012:assumed-role/reviewer/")
        .fails("no caller");
    a_session_with_a_slash: signed_by("arn:aws:sts::123456789012:assumed-role/reviewer/a/b")
        .fails("no caller");
    a_pattern_as_an_account: signed_by("arn:aws:sts::*:assumed-role/reviewer/s")
        .fails("no caller");
    no_arn: signed_by("").fails("no caller");
    another_caller_id_as_an_arn: signed_by("local").fails("no caller");
    an_arn_that_is_no_text: authorized(json!({ "iam": { "userArn": [ROLE] } }))
        .fails("no caller");
    an_identity_without_an_arn: authorized(json!({ "iam": {} })).fails("no caller");
    no_identity: authorized(json!({ "iam": null })).fails("bearer token is needed");
    no_authorizer: authorized(Value::Null).fails("bearer token is needed");
    claims_of_another_authorizer: authorized(json!({ "jwt": { "claims": { "sub": "anna" } } }))
        .fails("bearer token is needed");
    a_lambda_authorizer: authorized(json!({ "lambda": { "iam": { "userArn": ROLE } } }))
        .fails("bearer token is needed");

    // Where IAM has spoken, a token changes nothing.
    a_signed_request_with_a_token: signed_by("arn:aws:sts::123456789012:assumed-role/reviewer/s")
        .authorization(&["Bearer TOKEN"]).passes_as(ROLE, "iam");
    a_token_does_not_heal_an_identity: signed_by("arn:aws:sts::123456789012:nonsense")
        .authorization(&["Bearer TOKEN"]).fails("no caller");

    // What a client writes is no identity.
    a_header_with_the_context: nobody().with_header(
        "x-amzn-request-context",
        "{\"authorizer\":{\"iam\":{\"userArn\":\"arn:aws:sts::123456789012:assumed-role/reviewer/s\"}}}",
    ).fails("bearer token is needed");
    a_header_with_the_arn: nobody().with_header("x-amzn-iam-user-arn", ROLE)
        .with_header("x-amz-source-arn", ROLE).fails("bearer token is needed");
    a_header_named_like_the_field: nobody().with_header("requestcontext", "{}")
        .with_header("authorizer", ROLE).fails("bearer token is needed");
    a_signature_that_nobody_checked: nobody().authorization(&[
        "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261124/eu-west-1/lambda/aws4_request",
    ]).fails("no bearer token");
    headers_beside_a_token: anna().with_header("x-amzn-iam-user-arn", ROLE)
        .with_header("x-forwarded-user", "auth0|1").passes();
    a_callers_own_session_in_a_header:
        signed_by("arn:aws:sts::123456789012:assumed-role/other/s")
        .with_header("x-amzn-iam-user-arn", ROLE)
        .has_no_role("arn:aws:iam::123456789012:role/other");

    // Speaking for others.
    a_trusted_role: signed_by(GATEWAY).on_behalf_of("review-7")
        .passes_as(&format!("{GATEWAY_ROLE}/on-behalf/review-7"), "delegation");
    a_trusted_role_for_itself: signed_by(GATEWAY).passes_as(GATEWAY_ROLE, "iam");
    a_name_it_is_not_trusted_with: signed_by(GATEWAY).on_behalf_of("admin")
        .forbidden("may not speak for `admin`");
    an_untrusted_role: signed_by("arn:aws:sts::123456789012:assumed-role/reviewer/s")
        .on_behalf_of("review-7").forbidden("may not speak for");
    a_trusted_name_in_another_account:
        signed_by("arn:aws:sts::999999999999:assumed-role/gateway-1/s")
        .on_behalf_of("review-7").forbidden("may not speak for");
    a_user_named_like_the_gateway: signed_by("arn:aws:iam::123456789012:user/gateway-1")
        .on_behalf_of("review-7").forbidden("may not speak for");
    a_token_for_another: anna().on_behalf_of("review-7").forbidden("may not speak for");
    nobody_for_another: nobody().on_behalf_of("review-7").fails("bearer token is needed");
    a_name_with_a_path: signed_by(GATEWAY).on_behalf_of("review-7/on-behalf/review-8")
        .forbidden("no name");
    a_name_of_a_pattern: signed_by(GATEWAY).on_behalf_of("review-*").forbidden("no name");
    two_names: signed_by(GATEWAY).on_behalf_of("review-7,review-8").forbidden("no name");
    an_empty_name: signed_by(GATEWAY).on_behalf_of("").forbidden("no name");
    an_arn_as_a_name: signed_by(GATEWAY).on_behalf_of(ROLE).forbidden("no name");
}
