//! Certificates that live as long as a test.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Who signs certificates, and is trusted by whoever is told to.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server with a certificate for these names and addresses that is valid until the first day of this year.
    pub(crate) fn server(&self, names: &[&str], until: i32) -> TlsAcceptor {
        let (params, key) = (leaf(names, until), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.0).unwrap();
        acceptor(certificate.der(), &key, &[])
    }

    /// As [`server`](Self::server) for this machine, and offering these protocols.
    pub(crate) fn server_of(&self, protocols: &[&[u8]]) -> TlsAcceptor {
        let (params, key) = (leaf(&["127.0.0.1"], 2100), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.0).unwrap();
        acceptor(certificate.der(), &key, protocols)
    }
}

/// A server for this machine that nobody vouches for.
pub(crate) fn self_signed() -> TlsAcceptor {
    let (params, key) = (leaf(&["127.0.0.1", "localhost"], 2100), KeyPair::generate().unwrap());
    let certificate = params.self_signed(&key).unwrap();
    acceptor(certificate.der(), &key, &[])
}

fn leaf(names: &[&str], until: i32) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

fn acceptor(
    certificate: &CertificateDer<'static>,
    key: &KeyPair,
    protocols: &[&[u8]],
) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}
