//! An authority of the tests' own, and servers that it has certified.

use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

/// An authority of the tests' own.
pub(crate) fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(new_authority)
}

pub(crate) fn new_authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "Tests' Authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

/// A server's side of TLS, with a certificate of that authority.
pub(crate) fn certified(
    name: &str,
    change: impl FnOnce(&mut CertificateParams),
) -> Arc<rustls::ServerConfig> {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
    change(&mut params);
    let certificate = params.signed_by(&key, authority()).expect("signed");
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate");
    Arc::new(config)
}

/// A certificate and its key, as PEM.
#[cfg(target_os = "linux")]
pub(crate) fn pem() -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::default().self_signed(&key).expect("signed");
    (certificate.pem(), key.serialize_pem())
}

/// The variables of an environment that trusts the authority, whose certificate is put into a directory.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) fn trusting(directory: &camino::Utf8Path) -> Vec<(String, String)> {
    let file = directory.join("authority.pem");
    fs_err::write(&file, authority().pem()).expect("written");
    vec![("SSL_CERT_FILE".to_owned(), file.into_string())]
}
