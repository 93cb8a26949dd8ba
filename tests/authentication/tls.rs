//! Keys over HTTPS: only from a server whose certificate this machine trusts, for its name.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::case::POLICY;
use crate::issuer::{AUDIENCE, ISSUER, Issuer};
use crate::keys::call;
use mcp_workspace_test_support::function::Function;

/// Serves `body` over TLS with a certificate for `name`; gives the port and the certificate.
fn web(name: &str, body: String) -> (u16, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(connection, stream));
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.get_mut().write_all((head + &body).as_bytes());
            let _ = stream.get_mut().flush();
        }
    });
    (port, cert.pem())
}

#[test]
fn only_a_trusted_certificate_for_the_name_gives_keys() {
    let issuer = Issuer::new();
    let set = json!({ "keys": [issuer.es256_public("key")] }).to_string();
    let (good, good_pem) = web("localhost", set.clone());
    let (other, other_pem) = web("idp.example.com", set);
    let trusted = tempfile::tempdir().unwrap();
    let both = trusted.path().join("both.pem");
    std::fs::write(&both, good_pem + &other_pem).unwrap();
    let only_other = trusted.path().join("other.pem");
    std::fs::write(&only_other, other_pem).unwrap();
    let nobody = trusted.path().join("none.pem");
    std::fs::write(&nobody, "").unwrap();
    for (port, trusts, status) in [
        (good, &both, 200),
        // Nobody here trusts it.
        (good, &only_other, 503),
        (good, &nobody, 503),
        // Trusted, but for another name.
        (other, &both, 503),
    ] {
        let url = format!("https://localhost:{port}/keys");
        let mut function = Function::start_with(
            POLICY,
            &[
                ("MCP_WORKSPACE_JWT_ISSUER", ISSUER),
                ("MCP_WORKSPACE_JWT_AUDIENCE", AUDIENCE),
                ("MCP_WORKSPACE_JWT_JWKS_URL", &url),
                ("SSL_CERT_FILE", trusts.to_str().unwrap()),
            ],
        );
        assert_eq!(call(&mut function, &issuer, "key"), status, "{url} {}", trusts.display());
    }
}
