//! Whom to trust for https: the trust store of the operating system, and what `SSL_CERT_FILE` and `SSL_CERT_DIR` add.
//! A certificate that is not trusted is named by its issuer, because that is often a proxy of the user's own network.

use std::{error::Error, io, path::Path, sync::Arc};

use camino::Utf8Path;
use fs_err as fs;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};

use crate::{env::Env, fs::atomic};

/// The prefix of every reason that is about TLS.
pub(crate) const PREFIX: &str = "TLS: ";

/// The reason where something else answers.
pub(crate) const NO_TLS: &str = "the answer is not TLS";

/// A bundle of the whole world's roots has some 200 KiB.
const BUNDLE_LIMIT: u64 = 16 << 20;

/// The configuration of every https connection. `warn` is told which files could not be used.
pub(super) fn config(env: &Env, mut warn: impl FnMut(String)) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    with_verifier(verifier(extra_roots(env, &mut warn), provider.clone()), provider)
}

/// The configuration of a client that asks nobody by https. Nothing is read for it.
pub(super) fn of_nobody() -> ClientConfig {
    let nobody = Err(rustls::Error::General("no https".to_owned()));
    with_verifier(nobody, Arc::new(rustls::crypto::ring::default_provider()))
}

fn with_verifier(
    inner: Result<Arc<dyn ServerCertVerifier>, rustls::Error>,
    provider: Arc<CryptoProvider>,
) -> ClientConfig {
    let verifier = NamingVerifier {
        inner,
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// The operating system's own verifier, which trusts these, too.
#[cfg(any(windows, target_os = "macos"))]
fn verifier(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider)?;
    Ok(Arc::new(verifier))
}

/// The authorities of the operating system are files, and `SSL_CERT_FILE` adds to them. (rustls-platform-verifier reads
/// the variable in their place.)
#[cfg(not(any(windows, target_os = "macos")))]
fn verifier(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    use rustls::client::WebPkiServerVerifier;
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(extra);
    roots.add_parsable_certificates(of_the_system());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|cause| rustls::Error::General(cause.to_string()))?;
    Ok(verifier)
}

/// The operating system's authorities: a bundle, which every distribution has in one of a few places; the single files of
/// a directory only where there is no bundle.
#[cfg(not(any(windows, target_os = "macos")))]
fn of_the_system() -> Vec<CertificateDer<'static>> {
    const BUNDLES: [&str; 6] = [
        "/etc/ssl/certs/ca-certificates.crt", // Debian, Arch, Alpine, Nix
        "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/ca-bundle.pem", // openSUSE
        "/etc/pki/tls/cacert.pem",
        "/etc/ssl/cert.pem", // Alpine, BSD
    ];
    const DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];
    let mut bundles = BUNDLES
        .iter()
        .map(|bundle| certificates(Utf8Path::new(bundle)).unwrap_or_default());
    bundles.find(|found| !found.is_empty()).unwrap_or_else(|| {
        let directories = DIRECTORIES.iter().map(Utf8Path::new);
        directories
            .flat_map(|directory| certificates_in(directory).unwrap_or_default())
            .collect()
    })
}

fn extra_roots(env: &Env, warn: &mut impl FnMut(String)) -> Vec<CertificateDer<'static>> {
    let mut roots = Vec::new();
    let mut add = |variable: &str, path: &Path, read: fn(&Utf8Path) -> io::Result<_>| {
        let shown = path.display();
        let found = match Utf8Path::from_path(path) {
            Some(path) => read(path),
            None => Err(io::Error::other("its name is not UTF-8")),
        };
        let found: Vec<CertificateDer<'static>> = match found {
            Ok(found) => found,
            Err(cause) => return warn(format!("`{variable}` adds no certificate: {cause}")),
        };
        let before = roots.len();
        // One that webpki cannot read as an anchor would make the verifier refuse all.
        let is_usable =
            |root: &CertificateDer<'static>| rustls::RootCertStore::empty().add(root.clone()).is_ok();
        roots.extend(found.into_iter().filter(is_usable));
        if roots.len() == before {
            warn(format!(
                "`{variable}` adds no certificate: there is none in `{shown}`"
            ));
        }
    };
    if let Some(file) = env.var_os("SSL_CERT_FILE") {
        add("SSL_CERT_FILE", Path::new(file), certificates);
    }
    let directories = env.var_os("SSL_CERT_DIR").map(std::env::split_paths);
    let named = |directory: &std::path::PathBuf| !directory.as_os_str().is_empty();
    for directory in directories.into_iter().flatten().filter(named) {
        add("SSL_CERT_DIR", &directory, certificates_in);
    }
    roots
}

fn certificates(file: &Utf8Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let text = atomic::read(file, BUNDLE_LIMIT)?;
    Ok(CertificateDer::pem_slice_iter(&text).flatten().collect())
}

/// Those in all files of a directory. As with OpenSSL, a file that is no certificate is passed over.
fn certificates_in(directory: &Utf8Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)?.flatten() {
        if let Some(file) = Utf8Path::from_path(&entry.path()) {
            found.extend(certificates(file).unwrap_or_default());
        }
    }
    Ok(found)
}

/// The operating system's verifier, and the issuer's name when it knows no such issuer. Where the system trusts nobody
/// (a bare container), every certificate is refused, and what needs none still works.
#[derive(Debug)]
struct NamingVerifier {
    inner: Result<Arc<dyn ServerCertVerifier>, rustls::Error>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for NamingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let untrusted = |cause| CertificateError::Other(OtherError(Arc::new(cause))).into();
        let inner = self.inner.as_ref().map_err(|_| untrusted(Untrusted::Nobody))?;
        inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|cause| match cause {
                // A bad signature: an issuer of the same name, and another key, is trusted.
                rustls::Error::InvalidCertificate(
                    CertificateError::UnknownIssuer | CertificateError::BadSignature,
                ) => {
                    let last = intermediates.last().unwrap_or(end_entity);
                    untrusted(Untrusted::Issuer(issuer(last).unwrap_or_default()))
                }
                cause => cause,
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[derive(Debug, thiserror::Error)]
enum Untrusted {
    #[error("its certificate was issued by `{0}`, which this machine does not trust")]
    Issuer(String),
    #[error("this machine trusts no issuer of certificates; install ca-certificates, or set `SSL_CERT_FILE`")]
    Nobody,
}

/// Explains the TLS failure in words, if `cause` is about TLS.
pub(super) fn explain(cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(holder) = cause.downcast_ref::<io::Error>() {
        // `source()` of an io error passes over the error that it holds, which may be another one that holds one.
        return explain(holder.get_ref()?);
    }
    let cause = cause.downcast_ref::<rustls::Error>()?;
    let why = match cause {
        rustls::Error::InvalidCertificate(fault) => match fault {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired, or the clock of this machine is wrong".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet, or the clock of this machine is wrong".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name".to_owned()
            }
            CertificateError::Other(OtherError(other)) => other.to_string(),
            _ => cause.to_string(),
        },
        rustls::Error::InvalidMessage(_) => NO_TLS.to_owned(),
        _ => cause.to_string(),
    };
    Some(format!("{PREFIX}{why}"))
}

/// The common name and the organization of a certificate's issuer, as far as they can be read.
fn issuer(certificate: &[u8]) -> Option<String> {
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
    let (certificate, _) = element(certificate)?;
    let (mut body, _) = element(certificate)?;
    if body.first() == Some(&0xa0) {
        (_, body) = element(body)?; // version
    }
    (_, body) = element(body)?; // serial
    (_, body) = element(body)?; // signature algorithm
    let (mut name, _) = element(body)?;
    let (mut common_name, mut organization) = (None, None);
    while !name.is_empty() {
        let part;
        (part, name) = element(name)?;
        let (part, _) = element(part)?;
        let (kind, value) = element(part)?;
        let (value, _) = element(value)?;
        let value = || Some(String::from_utf8_lossy(value).escape_debug().to_string());
        match kind {
            COMMON_NAME => common_name = value(),
            ORGANIZATION => organization = value(),
            _ => {}
        }
    }
    match (common_name, organization) {
        (Some(name), Some(organization)) if name != organization => Some(format!("{name} ({organization})")),
        (name, organization) => name.or(organization),
    }
}

/// The content of the first DER element, and what follows it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = der.get(1..)?.split_first()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
        if bytes.len() > 4 {
            return None;
        }
        (
            bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            rest,
        )
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_issuer_of_a_certificate_is_named() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("a name");
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in [
            (rcgen::DnType::CountryName, "XX"),
            (rcgen::DnType::OrganizationName, "Corporation"),
            (rcgen::DnType::CommonName, "Inspecting Proxy"),
        ] {
            params.distinguished_name.push(kind, value);
        }
        let certificate = params.self_signed(&key).expect("signed");
        assert_eq!(
            issuer(certificate.der()).as_deref(),
            Some("Inspecting Proxy (Corporation)")
        );
        for end in 0..certificate.der().len() {
            let _ = issuer(&certificate.der()[..end]);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
            let _ = issuer(&bytes);
        }
    }
}
