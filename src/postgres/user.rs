//! The users of this system, by name and by number, and whom a server runs as when we are root.
//!
//! PostgreSQL refuses to run as root, and needs a passwd entry for whoever it runs as: initdb names the superuser of
//! the cluster after it (<https://www.postgresql.org/docs/current/app-initdb.html>).

use std::{
    io,
    process::{Command, Stdio},
};

/// The superuser of a cluster that is not named after its owner.
pub const SUPERUSER: &str = "postgres";
/// The longest name of a role, in bytes (`NAMEDATALEN` with its final zero).
const LONGEST_ROLE: usize = 63;

/// A user of this system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OsUser {
    /// The login name.
    pub name: String,
    /// The number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
}

/// The reason there is no user to run PostgreSQL as.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// No such name.
    #[error("there is no user `{0}` on this system")]
    UnknownName(String),
    /// Common in containers that are started with `--user 54321`.
    #[error("user {0} has no entry in the passwd database, and PostgreSQL needs one")]
    NoEntry(u32),
    /// We are root, and neither of the usual users exists.
    #[error("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` here")]
    NobodyElse,
    /// PostgreSQL refuses.
    #[error("PostgreSQL does not run as root")]
    Root,
    /// The passwd database cannot be asked.
    #[error("cannot look up user `{key}`")]
    LookUp {
        /// Name or number.
        key: String,
        /// The cause.
        source: io::Error,
    },
}

impl OsUser {
    /// The user with this name.
    ///
    /// # Errors
    /// When there is none or the passwd database cannot be asked.
    pub fn by_name(name: &str) -> Result<Self, UserError> {
        // A number would be looked up as one.
        let found = if name.is_empty() || name.bytes().all(|letter| letter.is_ascii_digit()) {
            None
        } else {
            look_up(name)?
        };
        found.ok_or_else(|| UserError::UnknownName(name.to_owned()))
    }

    /// The user with this number.
    ///
    /// # Errors
    /// When it has no entry or the passwd database cannot be asked.
    pub fn by_uid(uid: u32) -> Result<Self, UserError> {
        look_up(&uid.to_string())?.ok_or(UserError::NoEntry(uid))
    }

    /// Whoever runs this process.
    ///
    /// # Errors
    /// As for `by_uid`.
    #[cfg(unix)]
    pub fn current() -> Result<Self, UserError> {
        Self::by_uid(current_uid())
    }

    /// Whoever runs this process. Windows has no numbers: one stands for all.
    ///
    /// # Errors
    /// When `whoami` cannot be asked.
    #[cfg(not(unix))]
    pub fn current() -> Result<Self, UserError> {
        let asked = Command::new("whoami").stdin(Stdio::null()).output();
        let answer = asked.map_err(|source| UserError::LookUp {
            key: "whoami".to_owned(),
            source,
        })?;
        // `machine\name`; initdb takes the name.
        let text = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        let name = text.rsplit('\\').next().unwrap_or_default().to_owned();
        let us = current_uid();
        Ok(Self {
            name,
            uid: us,
            gid: us,
        })
    }

    /// The superuser of a cluster that this user makes: of the same name, or `postgres` where initdb refuses that.
    pub fn superuser(&self) -> &str {
        if is_superuser_name(&self.name) {
            &self.name
        } else {
            SUPERUSER
        }
    }

    /// The user to run PostgreSQL as when we are root and nobody was named: `postgres`, else `nobody`.
    ///
    /// # Errors
    /// When neither exists.
    pub fn unprivileged() -> Result<Self, UserError> {
        for name in ["postgres", "nobody"] {
            match Self::by_name(name) {
                Err(UserError::UnknownName(_)) => {}
                Ok(user) if user.uid == 0 => {}
                answer => return answer,
            }
        }
        Err(UserError::NobodyElse)
    }

    /// Whom to run PostgreSQL as, where nobody was named: `None` (ourselves), or the unprivileged user when we are root.
    ///
    /// # Errors
    /// When we are root and there is no such user, or when we have no passwd entry.
    pub fn for_postgres() -> Result<Option<Self>, UserError> {
        #[cfg(unix)]
        {
            if current_uid() == 0 {
                Self::unprivileged().map(Some)
            } else {
                Self::current().map(|_| None)
            }
        }
        #[cfg(not(unix))]
        Ok(None)
    }
}

/// Returns true if initdb takes this name for a superuser. Role names cannot begin with "pg_"; `none` is reserved,
/// `public` is everybody; and what it runs refuses an extension's owner with a quote, a dollar sign or a backslash. (A domain's
/// users are `DOMAIN\user`, its machines `HOST$`.) A name that is not UTF-8 cannot be a role's, nor can one of blanks alone.
fn is_superuser_name(name: &str) -> bool {
    !name.trim().is_empty()
        && name.len() <= LONGEST_ROLE
        && !name.starts_with("pg_")
        && !["none", "public"].contains(&name)
        && !name.contains(['"', '$', '\'', '\\', char::REPLACEMENT_CHARACTER])
}

/// The number of whoever runs this process.
pub fn current_uid() -> u32 {
    #[cfg(unix)]
    {
        rustix::process::geteuid().as_raw()
    }
    #[cfg(windows)]
    {
        crate::fs::identity::WINDOWS_USER
    }
}

/// The home directory that the passwd database has for a user.
///
/// # Errors
/// When the passwd database cannot be asked.
pub fn home_directory(uid: u32) -> Result<Option<String>, UserError> {
    let uid = uid.to_string();
    Ok(home_of(&passwd(&uid)?, &uid))
}

/// `name:password:uid:gid:gecos:home:shell`; macOS and the BSDs have `class:change:expire` after the gid.
fn home_of(passwd: &str, uid: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let home = fields.get(fields.len().checked_sub(2)?)?;
        (fields.len() >= 7 && fields[2] == uid && !home.is_empty()).then(|| (*home).to_owned())
    })
}

fn look_up(key: &str) -> Result<Option<OsUser>, UserError> {
    Ok(find(&passwd(key)?, key))
}

/// Looks up a name or a number in the passwd database; returns lines of a passwd file.
fn passwd(key: &str) -> Result<String, UserError> {
    let failed = |source| UserError::LookUp {
        key: key.to_owned(),
        source,
    };
    let file = || crate::fs::atomic::read("/etc/passwd".into(), 16 << 20);
    if !cfg!(target_os = "macos") {
        let passwd = file().unwrap_or_default();
        let passwd = String::from_utf8_lossy(&passwd);
        if find(&passwd, key).is_some() {
            return Ok(passwd.into_owned());
        }
    }
    // macOS keeps its users elsewhere; its `id -P` prints a passwd line. Elsewhere getent knows LDAP and friends, and
    // where there is none (Alpine without musl-utils, distroless), the file is all there is.
    let (program, arguments): (_, &[_]) = if cfg!(target_os = "macos") {
        ("id", &["-P", key])
    } else {
        ("getent", &["passwd", key])
    };
    let asked = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match asked {
        Ok(answer) => Ok(String::from_utf8_lossy(&answer.stdout).into_owned()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let passwd = file().map_err(failed)?;
            Ok(String::from_utf8_lossy(&passwd).into_owned())
        }
        Err(cause) => Err(failed(cause)),
    }
}

/// The line of a passwd file whose name or number is `key` (passwd(5): `name:password:uid:gid:…`).
fn find(passwd: &str, key: &str) -> Option<OsUser> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (_, uid, gid) = (fields.next()?, fields.next()?, fields.next()?);
        if name.is_empty() || (name != key && uid != key) {
            return None;
        }
        Some(OsUser {
            name: name.to_owned(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_superuser_has_its_owners_name_where_initdb_takes_that() {
        let longest = "l".repeat(63);
        let rows = [
            "john.doe", "größe", "a b", "x@y", "A-B", "123", "pg", "nonesuch", &longest,
        ];
        every(rows, |name| {
            assert!(is_superuser_name(name), "{name}");
        });
        let rows = [
            "",
            "$Dave",
            "HOST$",
            r"DOM\u",
            "o'brien",
            "a\"b",
            "pg_x",
            "none",
            "public",
            " ",
            "m\u{fffd}ller",
            &"l".repeat(64),
        ];
        every(rows, |name| {
            assert!(!is_superuser_name(name), "{name}");
        });
    }

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n\nbroken\nann:*:501:20::0:0:Ann:/Users/ann:/bin/zsh\n";
        let ann = find(passwd, "501").expect("found");
        assert_eq!((ann.name.as_str(), ann.uid, ann.gid), ("ann", 501, 20));
        assert_eq!(find(passwd, "ann"), Some(ann));
        assert_eq!(find(passwd, "20"), None);
        assert_eq!(find(passwd, ""), None);
        assert_eq!(home_of(passwd, "501").as_deref(), Some("/Users/ann"));
        assert_eq!(home_of(passwd, "0").as_deref(), Some("/root"));
        assert_eq!(home_of(passwd, "7"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_number_without_an_entry_is_a_clear_error() {
        let refused = OsUser::by_uid(3_999_999_999).expect_err("no such user");
        assert!(matches!(refused, UserError::NoEntry(3_999_999_999)), "{refused}");
        assert!(OsUser::by_name("0").is_err(), "a number is no name");
        assert_eq!(OsUser::by_name("root").expect("everywhere").uid, 0);
    }
}
