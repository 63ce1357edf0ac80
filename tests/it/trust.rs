//! Trust in a registry, judged as values: `registry::trust` alone, with keys that the tests make.

use ampup::{
    exit::Exit,
    registry::{
        keys::Keyring,
        trust::{Floor, Pointer, Signed, Standing, TrustError, age_warning, verify},
    },
};

use crate::support::{
    home::sha256,
    signing::{Signer, comment},
    table::every,
};

fn manifest(serial: u64) -> Vec<u8> {
    format!(r#"{{"schema":1,"registry":"amp","serial":{serial},"issued":"2026-11-01T00:00:00Z","components":{{}}}}"#)
        .into_bytes()
}

fn keyring(signers: &[&Signer]) -> Keyring {
    let keys: Vec<String> = signers.iter().map(|signer| signer.public()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    Keyring::new(&keys, "").expect("keys")
}

fn judge(pointer: &[u8], document: &[u8], keyring: &Keyring) -> Result<Signed, TrustError> {
    verify(&Pointer::parse(pointer, keyring, "amp")?, document, keyring)
}

#[test]
fn any_of_our_keys_may_sign() {
    let (one, other) = (Signer::new(1), Signer::new(2));
    let keyring = keyring(&[&one, &other]);
    let document = manifest(7);
    for signer in [&one, &other] {
        let signed =
            judge(signer.sign("amp", 7, &document).as_bytes(), &document, &keyring).expect("believed");
        assert_eq!(signed.floor().serial, 7);
        assert_eq!(signed.floor().sha256.to_string(), sha256(&document));
        assert_eq!(signed.registry().issued, "2026-11-01T00:00:00Z");
    }
}

/// Made by `minisign -S` of Debian, with a key that was thrown away.
#[test]
fn what_minisign_itself_signs_is_believed() {
    let files = (
        include_str!("data/minisign/registry.pub"),
        include_bytes!("data/minisign/registry.minisig"),
        include_bytes!("data/minisign/registry-3.json"),
    );
    let keyring = Keyring::new(&[files.0], "").expect("a key");
    assert_eq!(
        judge(files.1, files.2, &keyring)
            .expect("believed")
            .floor()
            .serial,
        3
    );
}

#[test]
fn no_flipped_bit_of_the_manifest_is_believed() {
    let signer = Signer::new(1);
    let keyring = keyring(&[&signer]);
    let mut document = manifest(7);
    let pointer = signer.sign("amp", 7, &document);
    for bit in 0..document.len() * 8 {
        document[bit / 8] ^= 1 << (bit % 8);
        let error = judge(pointer.as_bytes(), &document, &keyring).expect_err("refused");
        assert!(matches!(error, TrustError::Forged(_)), "bit {bit}: {error}");
        document[bit / 8] ^= 1 << (bit % 8);
    }
    for end in 0..document.len() {
        assert!(judge(pointer.as_bytes(), &document[..end], &keyring).is_err());
    }
}

#[test]
fn no_flipped_bit_of_the_signature_is_believed() {
    let signer = Signer::new(1);
    let keyring = keyring(&[&signer]);
    let document = manifest(7);
    let mut pointer = signer.sign("amp", 7, &document).into_bytes();
    let free = "untrusted comment: ".len()..pointer.iter().position(|byte| *byte == b'\n').expect("lines");
    for bit in 0..pointer.len() * 8 {
        pointer[bit / 8] ^= 1 << (bit % 8);
        match judge(&pointer, &document, &keyring) {
            // Nobody signs the untrusted comment, and nobody reads it.
            Ok(signed) => assert!(
                free.contains(&(bit / 8)) && signed.floor().serial == 7,
                "bit {bit}"
            ),
            Err(error) => assert_eq!(error.exit_code(), Exit::Integrity),
        }
        pointer[bit / 8] ^= 1 << (bit % 8);
    }
    for end in 0..pointer.len() {
        assert!(
            judge(&pointer[..end], &document, &keyring).is_err(),
            "cut at {end}"
        );
    }
}

#[test]
fn a_key_must_be_ours_and_not_revoked() {
    let (ours, other) = (Signer::new(1), Signer::new(2));
    let document = manifest(7);
    let refused = |signer: &Signer, keyring: &Keyring| {
        judge(signer.sign("amp", 7, &document).as_bytes(), &document, keyring).expect_err("refused")
    };
    assert!(
        matches!(refused(&other, &keyring(&[&ours])), TrustError::UnknownKey(id) if id.to_string() == other.id())
    );
    assert!(matches!(
        refused(&ours.impostor(), &keyring(&[&ours])),
        TrustError::Forged(_)
    ));
    let revoked = Keyring::new(&[&ours.public()], &ours.id()).expect("keys");
    assert!(matches!(refused(&ours, &revoked), TrustError::RevokedKey(_)));
    assert!(matches!(
        refused(&ours, &Keyring::default()),
        TrustError::UnknownKey(_)
    ));
}

#[test]
fn a_legacy_signature_is_refused() {
    let signer = Signer::new(1);
    let document = manifest(7);
    let pointer = signer.sign_legacy(&comment("amp", 7, &document), &document);
    let error = judge(pointer.as_bytes(), &document, &keyring(&[&signer])).expect_err("refused");
    assert!(matches!(error, TrustError::Legacy), "{error}");
}

#[test]
fn the_trusted_comment_of_another_signature_is_refused() {
    let signer = Signer::new(1);
    let keyring = keyring(&[&signer]);
    let (old, new) = (manifest(7), manifest(8));
    let (old_pointer, new_pointer) = (signer.sign("amp", 7, &old), signer.sign("amp", 8, &new));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (old_lines, new_lines) = (lines(&old_pointer), lines(&new_pointer));
    // With the comment alone, and with its own global signature.
    for last in [&old_lines[3], &new_lines[3]] {
        let mixed = format!("{}\n{}\n{}\n{last}\n", old_lines[0], old_lines[1], new_lines[2]);
        for document in [&old, &new] {
            assert!(judge(mixed.as_bytes(), document, &keyring).is_err());
        }
    }
}

#[test]
fn the_trusted_comment_has_one_spelling() {
    let signer = Signer::new(1);
    let keyring = keyring(&[&signer]);
    let document = manifest(7);
    let good = comment("amp", 7, &document);
    let digest = sha256(&document)["sha256:".len()..].to_owned();
    let bad = [
        String::new(),
        "ampup".to_owned(),
        good.replace("ampup ", ""),
        good.replace("ampup ", "ampup  "),
        good.replace("serial=7", "serial=07"),
        good.replace("serial=7", "serial=+7"),
        good.replace("serial=7", "serial=-7"),
        good.replace("serial=7", "serial=18446744073709551616"),
        good.replace("serial=7", "serial=18446744073709551615"),
        good.replace("serial=7", "serial=9007199254740992"),
        good.replace("serial=7 ", ""),
        good.replace("size=", "size=9"),
        good.replace(&digest, &digest.to_uppercase()),
        good.replace(&digest, &digest[1..]),
        good.replace("registry=amp", "registry=../amp"),
        good.replace("registry=amp", "registry="),
        format!("{good} "),
        format!("{good} more=1"),
        format!("timestamp:1700000000\tfile:registry.json\thashed {good}"),
    ];
    for bad in bad {
        let pointer = signer.sign_with(&bad, &document);
        assert!(judge(pointer.as_bytes(), &document, &keyring).is_err(), "{bad}");
    }
    assert!(judge(signer.sign_with(&good, &document).as_bytes(), &document, &keyring).is_ok());
}

#[test]
fn what_is_signed_must_be_what_the_comment_says() {
    let signer = Signer::new(1);
    let keyring = keyring(&[&signer]);
    let document = manifest(7);
    let judged = |comment: &str, document: &[u8]| {
        judge(signer.sign_with(comment, document).as_bytes(), document, &keyring)
    };
    // Another registry's, by its comment and by its content.
    let other = String::from_utf8(document.clone())
        .expect("text")
        .replace("\"amp\"", "\"other\"");
    assert!(matches!(
        judged(&comment("other", 7, other.as_bytes()), other.as_bytes()),
        Err(TrustError::OtherRegistry { .. })
    ));
    assert!(matches!(
        judged(&comment("amp", 7, other.as_bytes()), other.as_bytes()),
        Err(TrustError::Disagrees { field: "id", .. })
    ));
    assert!(matches!(
        judged(&comment("amp", 8, &document), &document),
        Err(TrustError::Disagrees { field: "serial", .. })
    ));
    let size = comment("amp", 7, &document).replace(&format!("size={}", document.len()), "size=1");
    assert!(matches!(
        judged(&size, &document),
        Err(TrustError::Disagrees { field: "size", .. })
    ));
    let digest = comment("amp", 7, &document).replace("sha256=", "sha256=0");
    let digest = digest.replacen(
        &sha256(&document)["sha256:".len()..],
        &sha256(&document)["sha256:".len() + 1..],
        1,
    );
    assert!(matches!(
        judged(&digest, &document),
        Err(TrustError::Disagrees { field: "digest", .. })
    ));
}

#[test]
fn a_signed_manifest_is_still_read_strictly() {
    let signer = Signer::new(1);
    let keyring = keyring(&[&signer]);
    let text = String::from_utf8(manifest(7)).expect("text");
    let rows = [
        text.replace("\"serial\":7", "\"serial\":7,\"serial\":7"),
        text.replace("\"components\":{}", "\"components\":{\"a\":{\"x\":1,\"x\":2}}"),
        text.replace("\"issued\"", "\"issue\""),
        "<html>".to_owned(),
        String::new(),
    ];
    every(rows, |bad| {
        let pointer = signer.sign("amp", 7, bad.as_bytes());
        let error = judge(pointer.as_bytes(), bad.as_bytes(), &keyring).expect_err("refused");
        assert!(matches!(error, TrustError::Manifest(_)), "{bad}: {error}");
        assert_eq!(error.exit_code(), Exit::Integrity);
    });
    let newer = text.replace("\"schema\":1", "\"schema\":2");
    let pointer = signer.sign("amp", 7, newer.as_bytes());
    let error = judge(pointer.as_bytes(), newer.as_bytes(), &keyring).expect_err("refused");
    assert_eq!(error.hint().as_deref(), Some("`ampup self update`"));
}

#[test]
fn the_floor_only_rises() {
    let floor = |serial, content: &[u8]| Floor {
        serial,
        sha256: sha256(content).parse().expect("a digest"),
        issued: "2026-11-01T00:00:00Z".to_owned(),
    };
    let ours = floor(7, b"a");
    assert_eq!(ours.standing(&floor(8, b"b")), Standing::Higher);
    assert_eq!(ours.standing(&floor((1 << 53) - 1, b"b")), Standing::Higher);
    assert_eq!(ours.standing(&floor(7, b"a")), Standing::Same);
    assert_eq!(ours.standing(&floor(7, b"b")), Standing::SameOtherBytes);
    assert_eq!(ours.standing(&floor(6, b"a")), Standing::Lower);
    assert_eq!(ours.standing(&floor(0, b"a")), Standing::Lower);
    assert!(ours.is_fresh("2026-11-02T23:59:59Z".parse().expect("a time")));
    assert!(!ours.is_fresh("2026-11-03T00:00:00Z".parse().expect("a time")));
}

#[test]
fn age_only_warns() {
    let at = |now: &str| age_warning("2026-01-01T00:00:00Z", now.parse().expect("a time"));
    assert_eq!(at("2026-03-31T00:00:00Z"), None);
    assert_eq!(at("2026-04-02T00:00:00Z").as_deref(), Some("is 91 days old"));
    assert_eq!(at("2025-01-01T00:00:00Z"), None);
    assert_eq!(
        age_warning("yesterday", "2026-04-02T00:00:00Z".parse().expect("a time")),
        None
    );
}
