//! Showing a server that we know a password without sending it: SCRAM-SHA-256
//! (RFC 5802 and RFC 7677; <https://www.postgresql.org/docs/current/sasl-authentication.html>).

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The name of the mechanism in the protocol.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";
/// "n,,": no channel binding, because there is no TLS on a loopback.
const HEADER: &str = "n,,";
/// More rounds than any server asks for; a hostile one must not keep us busy.
const MOST_ROUNDS: u32 = 10_000_000;

/// A conversation that was begun.
pub(crate) struct Scram<'a> {
    password: &'a str,
    nonce: String,
    /// The signature that the server must send last.
    signature: Option<String>,
}

impl<'a> Scram<'a> {
    /// Begins, with text that nobody can foresee.
    pub(crate) fn new(password: &'a str, nonce: String) -> Self {
        Self {
            password,
            nonce,
            signature: None,
        }
    }

    /// The first message. PostgreSQL knows the user already and reads no name here.
    pub(crate) fn first(&self) -> String {
        format!("{HEADER}{}", self.first_bare())
    }

    fn first_bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// The answer to the server's first message; `None` when that makes no sense.
    pub(crate) fn last(&mut self, server_first: &str) -> Option<String> {
        let field = |name: &str| server_first.split(',').find_map(|field| field.strip_prefix(name));
        let (nonce, salt, rounds) = (field("r=")?, field("s=")?, field("i=")?);
        let salt = BASE64.decode(salt).ok()?;
        let rounds = rounds
            .parse()
            .ok()
            .filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))?;
        // A server that does not repeat our part answers somebody else.
        nonce.strip_prefix(&self.nonce).filter(|own| !own.is_empty())?;
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(self.password.as_bytes(), &salt, rounds, &mut salted);
        let without_proof = format!("c={},r={nonce}", BASE64.encode(HEADER));
        let said = format!("{},{server_first},{without_proof}", self.first_bare());
        let client = keyed(&salted, b"Client Key");
        let signature = keyed(&Sha256::digest(client), said.as_bytes());
        let proof: Vec<u8> = client
            .iter()
            .zip(signature)
            .map(|(key, sign)| key ^ sign)
            .collect();
        self.signature = Some(BASE64.encode(keyed(&keyed(&salted, b"Server Key"), said.as_bytes())));
        Some(format!("{without_proof},p={}", BASE64.encode(proof)))
    }

    /// Returns true if the server knows the password too.
    pub(crate) fn is_genuine(&self, server_last: &str) -> bool {
        let said = server_last.split(',').find_map(|field| field.strip_prefix("v="));
        said.is_some() && said == self.signature.as_deref()
    }
}

fn keyed(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    /// The conversation of RFC 7677, section 3, but for the user's name, which PostgreSQL leaves empty: so the proof was
    /// computed anew, by the formulas of RFC 5802, with Python's hashlib.
    #[test]
    fn a_conversation_is_held_and_nonsense_is_not_answered() {
        let mut scram = Scram::new("pencil", "rOprNGfwEbeRWgbNEkqO".to_owned());
        assert_eq!(scram.first(), "n,,n=,r=rOprNGfwEbeRWgbNEkqO");
        let first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(
            scram.last(first).as_deref(),
            Some(
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=qvT2SWdEH5Q06albL+hjSYuUhCG7VndFyzIb7CK4n9k="
            )
        );
        assert!(scram.is_genuine("v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg="));
        assert!(!scram.is_genuine("v=AAAA") && !scram.is_genuine("e=other-error"));
        let rows = [
            "",
            "r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000",
        ];
        every(rows, |nonsense| {
            assert_eq!(scram.last(nonsense), None, "{nonsense}");
        });
    }
}
