//! The superuser of a cluster: the names that it may have, and what is done about a cluster that knows none of them.

use super::{
    cluster::{Cluster, Reach},
    error::ClusterError,
    facts,
    program::Program,
    single_user,
    user::{User, current_uid},
    wire::NO_ENTRY,
};
use crate::locate::Located;

/// The superuser's name where it is not the owner's.
pub(super) const SUPERUSER: &str = "postgres";

/// Whether the role that was refused is not there. (The message is English: every server that ampup or ampd makes is of the
/// locale C.)
pub(super) fn is_unknown(code: &str, message: &str) -> bool {
    code == NO_ENTRY && message.ends_with("does not exist")
}

impl Cluster {
    /// The superuser's likely name while nobody can be asked: the cluster's owner, who made it.
    pub(super) fn superuser(&self) -> String {
        let owner = facts::owner(&self.directory).unwrap_or_else(|_| current_uid());
        self.roles(owner).swap_remove(0)
    }

    /// The names that the superuser may have: what was said, its owner's, or what most other programs choose, and we on a
    /// loopback.
    pub(super) fn roles(&self, owner: u32) -> Vec<String> {
        let of_owner = match self.reach {
            Reach::Socket => User::by_uid(owner).ok(),
            Reach::Loopback => None,
        };
        let of_owner = of_owner.map(|user| user.name);
        let mut roles: Vec<String> = self.named_superuser.clone().into_iter().chain(of_owner).collect();
        if roles.iter().all(|role| role != SUPERUSER) {
            roles.push(SUPERUSER.to_owned());
        }
        roles
    }

    /// Lets its owner into a cluster that another user's was copied to, and that no server works in: one of the names that
    /// we ask for becomes a superuser, unless one is. Gives the name if it was made.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub fn let_owner_in(
        &self,
        programs: &Located,
        run_as: Option<&User>,
    ) -> Result<Option<String>, ClusterError> {
        if self.reach == Reach::Loopback {
            return Ok(None);
        }
        let owner = facts::owner(&self.directory).map_err(self.failed("look at"))?;
        let postgres = Program {
            tree: &programs.tree,
            name: "postgres",
            run_as,
        };
        let roles = self.roles(owner);
        let names: Vec<String> = roles.iter().map(|role| quoted(role, '\'')).collect();
        let known = format!(
            "select 'a superuser' as found from pg_catalog.pg_roles where rolsuper and rolcanlogin and rolname in ({})",
            names.join(", ")
        );
        let is_known = || {
            let answer = single_user::ask(&postgres, &self.directory, &known)?;
            Ok::<_, ClusterError>(answer.contains("found = \"a superuser\""))
        };
        if is_known()? {
            return Ok(None);
        }
        let name = &roles[0];
        let make = format!(
            "create role {} superuser createdb createrole replication bypassrls login",
            quoted(name, '"')
        );
        let answer = single_user::ask(&postgres, &self.directory, &make)?;
        // An error is told on stderr alone, with exit code 0.
        if is_known()? {
            Ok(Some(name.clone()))
        } else {
            Err(postgres.unexpected(&answer).into())
        }
    }
}

/// A name for SQL (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html>).
fn quoted(name: &str, quote: char) -> String {
    format!(
        "{quote}{}{quote}",
        name.replace(quote, &format!("{quote}{quote}"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_only_a_missing_role_is_unknown() {
        assert_eq!(quoted("o'b\"c", '\''), "'o''b\"c'");
        assert_eq!(quoted("o'b\"c", '"'), "\"o'b\"\"c\"");
        assert!(is_unknown("28000", "role \"x\" does not exist"));
        assert!(!is_unknown("28000", "role \"x\" is not permitted to log in"));
        assert!(!is_unknown("3D000", "database \"postgres\" does not exist"));
    }
}
