//! Windows' access control lists: a file that is its user's alone. The system's own programs are asked, because only unsafe code
//! could set one; what they are told and what they answer is the same on every system.

#[cfg(windows)]
use std::{
    io,
    process::{Command, Stdio},
};

use camino::Utf8Path;

/// Takes a file from everybody but the user who runs this. What it holds is written afterwards.
///
/// # Errors
/// When a program of the system's does not run, or refuses.
#[cfg(windows)]
pub fn close_to_others(path: &Utf8Path) -> io::Result<()> {
    let asked = Command::new("whoami")
        .args(["/user", "/fo", "csv", "/nh"])
        .stdin(Stdio::null())
        .output()?;
    let answer = String::from_utf8_lossy(&asked.stdout);
    let sid = sid(&answer).ok_or_else(|| io::Error::other("`whoami` does not say who runs this"))?;
    let status = Command::new("icacls")
        .args(arguments(path, sid))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("`icacls` cannot close `{path}` to others ({status})"),
    ))
}

/// The arguments of `icacls` that leave a file to one user: nothing inherited, everything granted to him
/// (<https://learn.microsoft.com/windows-server/administration/windows-commands/icacls>).
fn arguments(path: &Utf8Path, sid: &str) -> [String; 4] {
    [
        path.to_string(),
        "/inheritance:r".to_owned(),
        "/grant:r".to_owned(),
        format!("*{sid}:F"),
    ]
}

/// The identifier in the answer of `whoami /user /fo csv /nh`: `"pc\ann","S-1-5-21-1-2-3-1001"`. A name may change, and may be in
/// another language.
fn sid(answer: &str) -> Option<&str> {
    let (_, last) = answer.trim().rsplit_once(',')?;
    let sid = last.strip_prefix('"')?.strip_suffix('"')?;
    let is_one = sid.starts_with("S-1-")
        && sid[4..]
            .bytes()
            .all(|letter| letter.is_ascii_digit() || letter == b'-');
    is_one.then_some(sid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_file_is_left_to_its_user_alone() {
        let answer = "\"pc\\ann, the second\",\"S-1-5-21-397955417-626881126-188441444-1001\"\r\n";
        let user = sid(answer).expect("a user");
        assert_eq!(user, "S-1-5-21-397955417-626881126-188441444-1001");
        every(["", "ann", "\"pc\\ann\",\"S-1-5 /grant x\"", "a,b"], |nonsense| {
            assert_eq!(sid(nonsense), None, "{nonsense}");
        });
        assert_eq!(
            arguments(r"C:\p q\.amp\password".into(), user),
            [
                r"C:\p q\.amp\password",
                "/inheritance:r",
                "/grant:r",
                "*S-1-5-21-397955417-626881126-188441444-1001:F"
            ]
        );
    }
}
