//! Keys and signatures of minisign's kind (<https://jedisct1.github.io/minisign/>), and the two files that are published.
//! A secret key is not encrypted here, as with `minisign -W`: it lies where only its owner reads, never in the repository.

use std::io;

use ampup::{
    domain::{Algorithm, digest::Hasher},
    fs::atomic,
    registry::{
        Registry,
        keys::Keyring,
        strict,
        trust::{self, Claim, Pointer},
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use blake2::{Blake2b, Blake2b512, Digest as _, digest::consts::U32};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::{Answer, Failure};

/// A secret key in bytes: algorithm, no encryption, checksum's algorithm, salt and two limits, id, seed and public key, checksum.
const SECRET: usize = 158;
/// Where the id begins in it, and where the checksum does.
const ID: usize = 54;
const CHECKSUM: usize = 126;

/// Arguments of `registry keygen`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct KeygenArgs {
    /// The secret key's file, which must not exist
    #[arg(long, value_name = "FILE")]
    secret: Utf8PathBuf,
    /// The public key's file, for registry/keys/
    #[arg(long, value_name = "FILE")]
    public: Utf8PathBuf,
}

/// Arguments of `registry sign`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SignArgs {
    /// The secret key's file
    #[arg(long, value_name = "FILE")]
    secret: Utf8PathBuf,
    /// Where `v1/` is written
    #[arg(value_name = "DIR")]
    into: Utf8PathBuf,
}

/// Arguments of `registry verify`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct VerifyArgs {
    /// A public key's file; several may be named [default: those of registry/keys/]
    #[arg(long, value_name = "FILE")]
    public: Vec<Utf8PathBuf>,
    /// Where `v1/` is
    #[arg(value_name = "DIR")]
    published: Utf8PathBuf,
}

/// A secret key, and the id that tells it apart.
struct Secret {
    pair: Ed25519KeyPair,
    id: [u8; 8],
}

pub(crate) fn keygen(args: &KeygenArgs) -> Result<Answer, Failure> {
    if args.secret.symlink_metadata().is_ok() {
        return Err(Failure(format!(
            "`{}` is there already; a key is never replaced",
            args.secret
        )));
    }
    let mut random = [0_u8; 40];
    getrandom::fill(&mut random).map_err(|cause| Failure(cause.to_string()))?;
    let (id, seed) = random.split_at(8);
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes");
    let public = pair.public_key().as_ref();
    let mut checked = Blake2b::<U32>::new();
    for part in [&b"Ed"[..], id, seed, public] {
        checked.update(part);
    }
    let checksum = checked.finalize();
    let secret = [&b"Ed\0\0B2"[..], &[0; 48], id, seed, public, checksum.as_slice()].concat();
    let shown = shown(id);
    let text = format!(
        "untrusted comment: minisign unencrypted secret key {shown}\n{}\n",
        STANDARD.encode(secret)
    );
    atomic::write_private(&args.secret, text.as_bytes()).map_err(Failure::at(&args.secret))?;
    let key = STANDARD.encode([&b"Ed"[..], id, public].concat());
    let text = format!("untrusted comment: minisign public key {shown}\n{key}\n");
    atomic::write(&args.public, text.as_bytes()).map_err(Failure::at(&args.public))?;
    Ok(Answer {
        lines: vec![format!(
            "the key {shown}: secret in `{}`, public in `{}`",
            args.secret, args.public
        )],
        json: json!({"id": shown, "secret": args.secret, "public": args.public}),
        is_well: true,
    })
}

pub(crate) fn sign(args: &SignArgs, directory: &Utf8Path) -> Result<Answer, Failure> {
    sign_into(&args.secret, &args.into, directory)
}

/// Signs the manifest of `directory` with the secret key in a file, and writes `v1/` below `into`.
pub(crate) fn sign_into(secret: &Utf8Path, into: &Utf8Path, directory: &Utf8Path) -> Result<Answer, Failure> {
    let secret = Secret::read(secret)?;
    let path = directory.join("manifest.json");
    let document = fs::read(&path).map_err(Failure::at(&path))?;
    if let Some(mistake) = strict::mistakes(&document).first() {
        return Err(Failure(format!("`{path}` is not signed: {mistake}")));
    }
    let registry = Registry::parse(&document).map_err(|cause| Failure(cause.to_string()))?;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(&document);
    let claim = Claim {
        registry: registry.id,
        serial: registry.serial,
        digest: hasher.finish(),
        size: document.len() as u64,
    };
    let into = into.join("v1");
    fs::create_dir_all(&into).map_err(Failure::at(&into))?;
    // The document first: whoever sees the new pointer finds what it points to.
    let at = into.join(claim.file_name());
    match fs::read(&at) {
        Ok(there) if there != document => {
            return Err(Failure(format!(
                "`{at}` is published with other content; raise the serial with `registry refresh`"
            )));
        }
        _ => atomic::write(&at, &document).map_err(Failure::at(&at))?,
    }
    let pointer = into.join("registry.minisig");
    let text = secret.sign(&document, &claim.to_string());
    atomic::write(&pointer, text.as_bytes()).map_err(Failure::at(&pointer))?;
    let id = shown(&secret.id);
    Ok(Answer {
        lines: vec![format!(
            "number {} is signed by the key {id}, in `{into}`",
            claim.serial
        )],
        json: json!({"serial": claim.serial, "key": id, "document": at, "pointer": pointer}),
        is_well: true,
    })
}

pub(crate) fn verify(args: &VerifyArgs, directory: &Utf8Path) -> Result<Answer, Failure> {
    let keys = directory.join("keys");
    let mut paths = args.public.clone();
    if paths.is_empty() {
        let listed = keys.read_dir_utf8().map_err(Failure::at(&keys))?;
        let all = listed.filter_map(|entry| Some(entry.ok()?.into_path()));
        paths.extend(all.filter(|path| path.extension() == Some("pub")));
    }
    let mut texts = Vec::new();
    for path in &paths {
        texts.push(fs::read_to_string(path).map_err(Failure::at(path))?);
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let revoked = fs::read_to_string(keys.join("revoked")).unwrap_or_default();
    let keyring = Keyring::new(&texts, &revoked).map_err(|cause| Failure(cause.to_string()))?;
    let base = args.published.join("v1");
    let at = base.join("registry.minisig");
    let pointer = fs::read(&at).map_err(Failure::at(&at))?;
    let refused = |at: &Utf8Path| {
        let at = at.to_owned();
        move |cause| Failure(format!("`{at}` is refused: {cause}"))
    };
    let path = directory.join("manifest.json");
    let id = match fs::read(&path) {
        Ok(ours) => {
            Registry::parse(&ours)
                .map_err(|cause| Failure(cause.to_string()))?
                .id
        }
        // Whoever named the keys may have nothing but what is published: which registry it is, that says itself.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound && !args.public.is_empty() => {
            Pointer::claimed_id(&pointer).map_err(refused(&at))?
        }
        Err(cause) => return Err(Failure::at(&path)(cause)),
    };
    let pointer = Pointer::parse(&pointer, &keyring, &id).map_err(refused(&at))?;
    let at = base.join(pointer.claim().file_name());
    let document = fs::read(&at).map_err(Failure::at(&at))?;
    let signed = trust::verify(&pointer, &document, &keyring).map_err(refused(&at))?;
    let floor = signed.floor();
    Ok(Answer {
        lines: vec![format!(
            "number {} of {} is as it was signed",
            floor.serial, floor.issued
        )],
        json: json!({"serial": floor.serial, "issued": floor.issued, "sha256": floor.sha256}),
        is_well: true,
    })
}

impl Secret {
    fn read(path: &Utf8Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(Failure::at(path))?;
        let bytes = text
            .lines()
            .nth(1)
            .and_then(|line| STANDARD.decode(line).ok())
            .filter(|bytes| bytes.len() == SECRET)
            .ok_or_else(|| Failure(format!("`{path}` is no secret key of minisign's")))?;
        if bytes[..2] != *b"Ed" || bytes[2..4] != [0, 0] {
            return Err(Failure(format!(
                "`{path}` is encrypted; keep an unencrypted one (`minisign -W`) where only you read it"
            )));
        }
        let (id, seed) = (&bytes[ID..ID + 8], &bytes[ID + 8..ID + 40]);
        let mut checked = Blake2b::<U32>::new();
        checked.update(b"Ed");
        checked.update(&bytes[ID..CHECKSUM]);
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, &bytes[ID + 40..CHECKSUM]);
        match pair {
            Ok(pair) if checked.finalize().as_slice() == &bytes[CHECKSUM..] => Ok(Self {
                pair,
                id: id.try_into().expect("eight bytes"),
            }),
            _ => Err(Failure(format!("`{path}` is damaged"))),
        }
    }

    /// The four lines of a signature over the hash of a message, and over the comment.
    fn sign(&self, message: &[u8], comment: &str) -> String {
        let signature = self.pair.sign(Blake2b512::digest(message).as_slice());
        let global = self.pair.sign(&[signature.as_ref(), comment.as_bytes()].concat());
        format!(
            "untrusted comment: signature by the key {}\n{}\ntrusted comment: {comment}\n{}\n",
            shown(&self.id),
            STANDARD.encode([&b"ED"[..], &self.id[..], signature.as_ref()].concat()),
            STANDARD.encode(global.as_ref())
        )
    }
}

/// An id as minisign shows it.
fn shown(id: &[u8]) -> String {
    id.iter().rev().map(|byte| format!("{byte:02X}")).collect()
}
