//! The targets of fuzzing: each takes any bytes, and must neither panic, nor hang, nor take more memory than its limits say. The
//! fuzzer calls these (`just fuzz`), and so does an ordinary test, with the seeds.

use std::io::Write as _;

use ampup::{
    domain::{Algorithm, ComponentName, ComponentSpec, FileList, Format, digest::Hasher},
    fetch::{of_checksum_file, of_github_release},
    fs::space::SpaceNeed,
    registry::{
        Registry,
        keys::Keyring,
        trust::{Pointer, verify},
    },
    shell::record::Record,
    store::receipt::Receipt,
    unpack::{Shape, unpack},
};
use camino::{Utf8Path, Utf8PathBuf};

/// The key of `seeds/pointer`, whose secret half was thrown away.
const KEY: &str = include_str!("../tests/it/data/minisign/registry.pub");

/// A registry's manifest.
pub(crate) fn manifest(bytes: &[u8]) {
    if let Ok(registry) = Registry::parse(bytes) {
        for component in registry.components.values() {
            assert!(!registry.group_of(&component.name).is_empty());
            // They are read when somebody asks for them.
            let releases = component.releases.iter();
            releases.for_each(|release| drop(release.artifacts.to_vec()));
        }
    }
}

/// `registry.minisig`, and after an empty line the manifest that it should sign.
pub(crate) fn pointer(bytes: &[u8]) {
    let keyring = Keyring::new(&[KEY], "").expect("a key");
    let half = bytes.windows(2).position(|two| two == b"\n\n");
    let (pointer, document) = match half {
        Some(at) => (&bytes[..=at], &bytes[at + 2..]),
        None => (bytes, &b""[..]),
    };
    if let Ok(pointer) = Pointer::parse(pointer, &keyring, "amp")
        && let Ok(signed) = verify(&pointer, document, &keyring)
    {
        // Nobody has the secret half: only what was signed with it is ever believed.
        assert_eq!(signed.floor().serial, 3);
        assert_eq!(
            document,
            include_bytes!("../tests/it/data/minisign/registry-3.json")
        );
    }
}

/// A specification on the command line. What is understood is written and understood again alike.
pub(crate) fn spec(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(spec) = text.parse::<ComponentSpec>() {
        let again = spec
            .to_string()
            .parse::<ComponentSpec>()
            .expect("what we write we read");
        assert_eq!(again.to_string(), spec.to_string());
    }
}

/// Files of an installed tree and of the home.
pub(crate) fn receipt(bytes: &[u8]) {
    let component: ComponentName = "tool".parse().expect("a name");
    let version = semver::Version::new(1, 0, 0);
    if let Ok(receipt) = Receipt::parse(bytes, &component, &version) {
        assert!(receipt.executables.iter().all(|name| !name.contains(['/', '\\'])));
        Receipt::parse(&receipt.to_json(), &component, &version).expect("what we write we read");
    }
    if let Ok(list) = serde_json::from_slice::<FileList>(bytes) {
        for (path, _) in list.iter() {
            assert!(path.is_relative() && !path.as_str().split('/').any(|part| part == ".."));
        }
    }
    let _ = Record::parse(bytes);
}

/// A checksum file, or a release as GitHub describes it.
pub(crate) fn checksum_file(bytes: &[u8]) {
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        if let Ok(digest) = of_checksum_file(bytes, algorithm, "tool.tar.gz") {
            assert_eq!(digest.algorithm(), algorithm);
        }
    }
    let _ = of_github_release(bytes, "tool.tar.gz");
}

/// An archive, through the whole unpacker. The first byte says how it is packed; a tar may come bare and is packed here,
/// because no fuzzer finds its way through a checksum.
pub(crate) fn archive(bytes: &[u8]) {
    let Some((kind, content)) = bytes.split_first() else {
        return;
    };
    let (format, packed) = match kind % 5 {
        0 => (Format::TarGz, gzip(content)),
        1 => (Format::TarGz, content.to_vec()),
        2 => (Format::TarXz, content.to_vec()),
        3 => (Format::Zip, content.to_vec()),
        _ => (Format::JarTarXz, content.to_vec()),
    };
    let world = tempfile::tempdir().expect("a directory");
    let world = Utf8PathBuf::from_path_buf(world.path().to_owned()).expect("UTF-8");
    let path = world.join("archive");
    std::fs::write(&path, &packed).expect("written");
    let into = world.join("into");
    std::fs::create_dir(&into).expect("made");
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(&packed);
    let file = std::fs::File::open(&path).expect("opened");
    let verified = ampup::verify::verify(file, &path, "fuzz", &hasher.finish(), None).expect("our own bytes");
    let shape = Shape {
        format,
        root: None,
        links: None,
        moved: std::collections::BTreeMap::new(),
        unpacked_size: Some(1 << 20),
        executable: "tool".to_owned(),
        beside: SpaceNeed::default(),
    };
    match unpack(&verified, &shape, &into) {
        Ok(staged) => {
            for (path, _) in staged.files().iter() {
                let path = staged.path().join(path);
                let directory = path.parent().expect("within").canonicalize_utf8().expect("there");
                assert!(
                    directory.starts_with(into.canonicalize_utf8().expect("there")),
                    "{path}"
                );
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    // The archive and the directory that it was unpacked into: nothing beside them.
    assert_eq!(entries(&world), 2);
    std::fs::remove_dir_all(&world).expect("removed");
}

fn entries(directory: &Utf8Path) -> usize {
    std::fs::read_dir(directory).expect("listed").count()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).expect("memory");
    packed.finish().expect("memory")
}
