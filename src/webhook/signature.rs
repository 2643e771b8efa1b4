//! Signatures of webhooks, checked with the cryptography that TLS uses: the one that the program has installed, or aws-lc-rs.

#[cfg(not(any(feature = "rustls", feature = "rustls-no-provider")))]
pub(crate) use self::none::{HmacSha256, RsaSha256};
#[cfg(all(feature = "testing", any(feature = "rustls", feature = "rustls-no-provider")))]
pub(crate) use self::tls::provider;
#[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
pub(crate) use self::tls::{HmacSha256, RsaSha256};

#[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
mod tls {
    use std::sync::Arc;

    use rustls::crypto::CryptoProvider;
    use rustls::crypto::tls13::OkmBlock;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
    use rustls::{CipherSuite, SignatureScheme, SupportedCipherSuite, Tls13CipherSuite};
    use subtle::ConstantTimeEq as _;
    use webpki::RawPublicKeyEntity;

    use crate::error::{Error, Result};

    /// The choice is reqwest's, so that a program has one library for cryptography.
    pub(crate) fn provider() -> Result<Arc<CryptoProvider>> {
        let provider = CryptoProvider::get_default().cloned();
        #[cfg(feature = "rustls")]
        let provider =
            provider.or_else(|| Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider())));
        provider.ok_or_else(|| {
            Error::config(
                "signatures cannot be checked: install a crypto provider of rustls, or switch on the feature `rustls` of scheduled-runs",
            )
        })
    }

    fn lacks(what: &str) -> Error {
        Error::config(format!(
            "signatures cannot be checked: the crypto provider that the program has installed lacks {what}; install another one"
        ))
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[derive(Clone)]
    pub(crate) struct RsaSha256(&'static [&'static dyn SignatureVerificationAlgorithm]);

    impl RsaSha256 {
        pub(crate) fn new() -> Result<Self> {
            let all = provider()?.signature_verification_algorithms.mapping;
            let rsa = all.iter().find(|(scheme, _)| *scheme == SignatureScheme::RSA_PKCS1_SHA256);
            rsa.map(|(_, algorithms)| Self(algorithms)).ok_or_else(|| lacks("RSA with SHA-256"))
        }

        /// Whether this text holds a public key: the PEM of a `SubjectPublicKeyInfo`.
        pub(crate) fn is_key(pem: &[u8]) -> bool {
            let key = SubjectPublicKeyInfoDer::from_pem_slice(pem);
            key.is_ok_and(|key| RawPublicKeyEntity::try_from(&key).is_ok())
        }

        /// Whether the owner of the key has signed this message.
        pub(crate) fn fits(&self, pem: &[u8], message: &[u8], signature: &[u8]) -> bool {
            let Ok(key) = SubjectPublicKeyInfoDer::from_pem_slice(pem) else { return false };
            let Ok(key) = RawPublicKeyEntity::try_from(&key) else { return false };
            let fits = |&algorithm: &&'static dyn SignatureVerificationAlgorithm| {
                key.verify_signature(algorithm, message, signature).is_ok()
            };
            self.0.iter().any(fits)
        }
    }

    /// HMAC with SHA-256.
    pub(crate) struct HmacSha256(&'static Tls13CipherSuite);

    impl HmacSha256 {
        pub(crate) fn new() -> Result<Self> {
            let provider = provider()?;
            let mut suites = provider.cipher_suites.iter();
            // Its hash is SHA-256, and TLS 1.3 needs the HMAC of it.
            let suite = suites.find_map(|suite| match suite {
                SupportedCipherSuite::Tls13(suite)
                    if suite.common.suite == CipherSuite::TLS13_AES_128_GCM_SHA256 =>
                {
                    Some(*suite)
                }
                _ => None,
            });
            suite.map(Self).ok_or_else(|| lacks("HMAC with SHA-256"))
        }

        /// Whether the tag was made with this key from this message.
        pub(crate) fn fits(&self, key: &[u8], message: &[u8], tag: &[u8]) -> bool {
            // RFC 2104: a key that is longer than a block of the hash is hashed first.
            let key = if key.len() > OkmBlock::MAX_LEN {
                OkmBlock::new(self.0.common.hash_provider.hash(key).as_ref())
            } else {
                OkmBlock::new(key)
            };
            self.0.hkdf_provider.hmac_sign(&key, message).as_ref().ct_eq(tag).into()
        }
    }
}

/// Without TLS of rustls there is no cryptography to check signatures with: values of these types do not exist.
#[cfg(not(any(feature = "rustls", feature = "rustls-no-provider")))]
mod none {
    use crate::error::{Error, Result};

    fn missing() -> Error {
        Error::config(
            "signatures cannot be checked: switch on one of the features `rustls` and `rustls-no-provider` of scheduled-runs",
        )
    }

    #[derive(Clone)]
    pub(crate) enum RsaSha256 {}

    impl RsaSha256 {
        pub(crate) fn new() -> Result<Self> {
            Err(missing())
        }

        pub(crate) fn is_key(_: &[u8]) -> bool {
            false
        }

        pub(crate) fn fits(&self, _: &[u8], _: &[u8], _: &[u8]) -> bool {
            match *self {}
        }
    }

    pub(crate) enum HmacSha256 {}

    impl HmacSha256 {
        pub(crate) fn new() -> Result<Self> {
            Err(missing())
        }

        pub(crate) fn fits(&self, _: &[u8], _: &[u8], _: &[u8]) -> bool {
            match *self {}
        }
    }
}

#[cfg(all(test, feature = "rustls"))]
mod tests {
    use super::{HmacSha256, RsaSha256};

    #[test]
    fn tags_are_those_of_rfc_4231() {
        let hmac = HmacSha256::new().unwrap();
        let long = "Test Using Larger Than Block-Size Key - Hash Key First";
        // The last two, at the size of a block, are by Python's `hmac` module.
        for (key, message, tag) in [
            (
                &[0x0b; 20][..],
                "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                long,
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (&[b'k'; 64], "x", "f91c4c403625fb06910ef93999265bbd2d62baeaec6ff36455498cc124fe3e66"),
            (&[b'k'; 65], "x", "75092ca3ee2b307470c227697b42b3e65376aa3bae98fb5a1f7b7536daa9588a"),
        ] {
            let digits = |at: usize| u8::from_str_radix(&tag[at..at + 2], 16).unwrap();
            let mut tag: Vec<u8> = (0..64).step_by(2).map(digits).collect();
            assert!(hmac.fits(key, message.as_bytes(), &tag), "{message}");
            assert!(!hmac.fits(key, message.as_bytes(), &tag[..31]), "{message}");
            tag[31] ^= 1;
            assert!(!hmac.fits(key, message.as_bytes(), &tag), "{message}");
        }
    }

    #[test]
    fn what_is_no_public_key_fits_nothing() {
        let rsa = RsaSha256::new().unwrap();
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let nonsense = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        let cut = "-----BEGIN PUBLIC KEY-----\nMIIB";
        for pem in ["", "<html>", private, nonsense, cut] {
            assert!(!RsaSha256::is_key(pem.as_bytes()), "{pem}");
            assert!(!rsa.fits(pem.as_bytes(), b"message", &[0; 256]), "{pem}");
        }
    }
}
