//! Keys and signatures of minisign's kind (<https://jedisct1.github.io/minisign/>), made by the tests for themselves, also
//! those that no minisign would make.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use blake2::{Blake2b512, Digest as _};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::home::sha256;

/// A secret key, and the number that tells it apart.
pub(crate) struct Signer {
    key: Ed25519KeyPair,
    id: [u8; 8],
}

impl Signer {
    /// A key that is the same in every run.
    pub(crate) fn new(number: u8) -> Self {
        Self {
            key: Ed25519KeyPair::from_seed_unchecked(&[number; 32]).expect("32 bytes"),
            id: [number; 8],
        }
    }

    /// Another key under the same id.
    pub(crate) fn impostor(&self) -> Self {
        Self {
            key: Ed25519KeyPair::from_seed_unchecked(&[255; 32]).expect("32 bytes"),
            id: self.id,
        }
    }

    /// The id as minisign shows it.
    pub(crate) fn id(&self) -> String {
        format!("{:016X}", u64::from_le_bytes(self.id))
    }

    /// The public key, as minisign writes it.
    pub(crate) fn public(&self) -> String {
        let bytes = [b"Ed", &self.id[..], self.key.public_key().as_ref()].concat();
        format!(
            "untrusted comment: minisign public key {}\n{}\n",
            self.id(),
            STANDARD.encode(bytes)
        )
    }

    /// A registry's signature over its manifest.
    pub(crate) fn sign(&self, id: &str, serial: u64, document: &[u8]) -> String {
        self.sign_with(&comment(id, serial, document), document)
    }

    /// A signature with this trusted comment.
    pub(crate) fn sign_with(&self, comment: &str, document: &[u8]) -> String {
        let hash = Blake2b512::digest(document);
        self.write(*b"ED", hash.as_slice(), comment)
    }

    /// A signature over the bytes themselves, as minisign made them until 2021.
    pub(crate) fn sign_legacy(&self, comment: &str, document: &[u8]) -> String {
        self.write(*b"Ed", document, comment)
    }

    fn write(&self, algorithm: [u8; 2], message: &[u8], comment: &str) -> String {
        let signature = self.key.sign(message);
        let global = self.key.sign(&[signature.as_ref(), comment.as_bytes()].concat());
        let first = [&algorithm[..], &self.id[..], signature.as_ref()].concat();
        format!(
            "untrusted comment: made by a test\n{}\ntrusted comment: {comment}\n{}\n",
            STANDARD.encode(first),
            STANDARD.encode(global)
        )
    }
}

/// The trusted comment of a registry's signature.
pub(crate) fn comment(id: &str, serial: u64, document: &[u8]) -> String {
    let digest = sha256(document);
    let digest = digest.strip_prefix("sha256:").expect("a SHA-256");
    format!(
        "ampup registry={id} serial={serial} sha256={digest} size={}",
        document.len()
    )
}
