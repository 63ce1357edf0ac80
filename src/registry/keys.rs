//! The keys that may sign the default registry, compiled in from `registry/keys/` (`docs/keys.md` says how they are made).
//! No flag and no file adds to them.

use std::fmt;

use minisign_verify::PublicKey;

use crate::domain::{Algorithm, digest::Hasher};

/// The id of the default registry.
const DEFAULT: &str = "amp";
/// The public keys, as `minisign -G` writes them. A key is added here and lies in `registry/keys/`; a test holds both to
/// each other.
const BUILT_IN: [&str; 0] = [];
/// The ids of keys that must not be believed any more.
const REVOKED: &str = include_str!("../../registry/keys/revoked");
/// Where the signed registry is published. Set together with the first key.
const BASE: Option<&str> = None;

/// The default registry: which it is, where it is published, and whose signature makes it so.
#[derive(Debug, Clone)]
pub struct RegistryOrigin {
    /// Its id.
    pub id: String,
    /// The address below which `v1/registry.minisig` is; nothing is fetched without one.
    pub base: Option<String>,
    /// Who may sign it. Nothing is fetched where that is nobody.
    pub keyring: Keyring,
}

impl RegistryOrigin {
    /// Returns the keys that this ampup was built with.
    pub fn built_in() -> Self {
        Self {
            id: DEFAULT.to_owned(),
            base: BASE.map(str::to_owned),
            keyring: Keyring::new(&BUILT_IN, REVOKED).expect("a test reads the built-in keys"),
        }
    }

    /// Where it is published, if somebody may sign it.
    pub fn published(&self) -> Option<&str> {
        self.base.as_deref().filter(|_| !self.keyring.is_empty())
    }

    /// Returns true if this is the default registry, and not a further one.
    pub fn is_default(&self) -> bool {
        self.id == DEFAULT
    }

    /// Returns the name under which its floor and its copy are kept: a further registry's are those of its address and its
    /// key, so that no other one takes their place.
    pub fn name(&self) -> String {
        if self.is_default() {
            return self.id.clone();
        }
        format!("{}-{}", self.id, self.place())
    }

    /// Returns what tells the places of further registries apart.
    pub fn place(&self) -> String {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(
            self.base
                .as_deref()
                .unwrap_or_default()
                .trim_end_matches('/')
                .as_bytes(),
        );
        for key in self.keyring.ids() {
            hasher.update(key.to_string().as_bytes());
        }
        hasher.finish().hex()[..16].to_owned()
    }

    /// The address of a published file.
    pub fn address(&self, file: &str) -> Option<String> {
        let base = self.published()?;
        Some(format!("{}/v1/{file}", base.trim_end_matches('/')))
    }
}

/// Public keys, any one of which may sign.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    keys: Vec<(KeyId, PublicKey)>,
    revoked: Vec<KeyId>,
}

/// The number by which minisign tells keys apart. It is part of a signature and proves nothing by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId(u64);

/// The reason a text is not a key, or not a list of revoked ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a minisign key")]
pub struct InvalidKey(String);

impl Keyring {
    /// Reads keys as minisign writes them, and a list of revoked ids: one in a line, `#` begins a remark.
    ///
    /// # Errors
    /// When one of them is none.
    pub fn new(keys: &[&str], revoked: &str) -> Result<Self, InvalidKey> {
        let revoked = revoked
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim())
            .filter(|line| !line.is_empty())
            .map(|line| match u64::from_str_radix(line, 16) {
                Ok(id) if line.len() == 16 => Ok(KeyId(id)),
                _ => Err(InvalidKey(line.to_owned())),
            })
            .collect::<Result<_, _>>()?;
        let keys = keys
            .iter()
            .map(|text| {
                let invalid = || InvalidKey((*text).to_owned());
                let id = text.lines().nth(1).and_then(KeyId::of_line).ok_or_else(invalid)?;
                Ok((id, PublicKey::decode(text).map_err(|_| invalid())?))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { keys, revoked })
    }

    /// Returns true if there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.iter().all(|(id, _)| self.is_revoked(*id))
    }

    /// The ids of the keys that may sign.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys
            .iter()
            .map(|(id, _)| *id)
            .filter(|id| !self.is_revoked(*id))
    }

    /// Returns true if a key is revoked.
    pub fn is_revoked(&self, id: KeyId) -> bool {
        self.revoked.contains(&id)
    }

    /// The keys with this id that may sign.
    pub(super) fn with_id(&self, id: KeyId) -> impl Iterator<Item = &PublicKey> {
        let may = !self.is_revoked(id);
        self.keys
            .iter()
            .filter(move |(other, _)| may && *other == id)
            .map(|(_, key)| key)
    }
}

impl KeyId {
    /// The id in the second line of a key or of a signature: two bytes of algorithm, eight of id (least first).
    pub(super) fn of_line(line: &str) -> Option<Self> {
        let mut bytes = Vec::with_capacity(12);
        for four in line.as_bytes().get(..16)?.chunks(4) {
            let mut bits: u32 = 0;
            for letter in four {
                bits = bits << 6 | sextet(*letter)?;
            }
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
        Some(Self(u64::from_le_bytes(bytes.get(2..10)?.try_into().ok()?)))
    }
}

fn sextet(letter: u8) -> Option<u32> {
    let value = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    /// The key of minisign's own releases.
    const KEY: &str =
        "untrusted comment: minisign public key\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n";

    #[test]
    fn a_key_has_the_id_that_minisign_shows() {
        let keyring = Keyring::new(&[KEY], "").expect("a key");
        let ids: Vec<String> = keyring.ids().map(|id| id.to_string()).collect();
        assert_eq!(ids, ["E7620F1842B4E81F"]);
    }

    #[test]
    fn a_revoked_key_may_not_sign() {
        let keyring = Keyring::new(&[KEY], "# lost\nE7620F1842B4E81F # on a train\n").expect("a key");
        assert!(keyring.is_empty());
        every(["E7620F1842B4E81", "E7620F1842B4E81FF", "key"], |bad| {
            assert!(Keyring::new(&[], bad).is_err(), "{bad}");
        });
        assert!(Keyring::new(&["untrusted comment: x\nRWQf6LRCGA9i\n"], "").is_err());
    }

    #[test]
    fn the_built_in_keys_are_those_of_the_registry() {
        let origin = RegistryOrigin::built_in();
        let directory = camino::Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("registry/keys");
        let files = directory.read_dir_utf8().expect("listed");
        let files: Vec<String> = files
            .map(|file| file.expect("an entry"))
            .filter(|file| file.path().extension() == Some("pub"))
            .map(|file| fs_err::read_to_string(file.path()).expect("read"))
            .collect();
        assert_eq!(files.len(), BUILT_IN.len());
        assert!(BUILT_IN.iter().all(|key| files.iter().any(|file| file == key)));
        assert_eq!(
            origin.base.is_some(),
            !BUILT_IN.is_empty(),
            "a base and keys come together"
        );
    }
}
