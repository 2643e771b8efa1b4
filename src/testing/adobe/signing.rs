//! How Adobe signs webhooks: two RSA keys, each with a path at which everybody can get the public one.

use super::responses::{ParsedRequest, Reply};
use crate::testing::kit::Response;

/// A pair of keys that were made for this fake and protect nothing.
struct TestKey {
    path: &'static str,
    private: &'static str,
    public: &'static str,
}

const KEYS: [TestKey; 2] = [
    TestKey {
        path: "/prod/keys/pub-key-d1a7c0f4-5e2b-4936-8c1d-7f60b9e3a852.pem",
        private: include_str!("keys/test_private_key_1.pem"),
        public: include_str!("keys/test_public_key_1.pem"),
    },
    TestKey {
        path: "/prod/keys/pub-key-3b96e8d5-0c47-4f1a-b2e9-46d8150a7cf3.pem",
        private: include_str!("keys/test_private_key_2.pem"),
        public: include_str!("keys/test_public_key_2.pem"),
    },
];

/// Serves a public key, without a credential; `None` if the request is not for one.
pub(super) fn route(call: &ParsedRequest) -> Option<Reply> {
    let key = KEYS.iter().find(|key| call.method == "GET" && call.path == key.path)?;
    Some(Ok(Response::new(200, "application/x-pem-file", key.public)))
}

/// The headers of a webhook with this body.
#[track_caller]
pub(super) fn headers(body: &str) -> Vec<(String, String)> {
    let mut headers = vec![("content-type", "application/json; charset=UTF-8".to_owned())];
    let names = [
        ("x-adobe-digital-signature-1", "x-adobe-public-key1-path"),
        ("x-adobe-digital-signature-2", "x-adobe-public-key2-path"),
    ];
    for ((signature, path), key) in names.into_iter().zip(&KEYS) {
        headers.push((signature, sign(key.private, body)));
        headers.push((path, key.path.to_owned()));
    }
    headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// RSASSA-PKCS1-v1_5 with SHA-256, in base64.
#[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
#[track_caller]
fn sign(private: &str, body: &str) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    use rustls::SignatureScheme;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject as _;

    use crate::webhook::signature::provider;

    let provider = provider().unwrap_or_else(|error| panic!("FakeAdobe cannot sign: {error}"));
    let signature = PrivateKeyDer::from_pem_slice(private.as_bytes()).ok().and_then(|key| {
        let key = provider.key_provider.load_private_key(key).ok()?;
        let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])?;
        signer.sign(body.as_bytes()).ok()
    });
    let Some(signature) = signature else {
        panic!("FakeAdobe cannot sign webhooks: the crypto provider lacks RSA with SHA-256");
    };
    BASE64_STANDARD.encode(signature)
}

#[cfg(not(any(feature = "rustls", feature = "rustls-no-provider")))]
#[track_caller]
fn sign(_: &str, _: &str) -> String {
    panic!(
        "FakeAdobe cannot sign webhooks: switch on the feature `rustls` or `rustls-no-provider` of scheduled-runs"
    );
}
