//! The superuser of a cluster: the names that it may have, and what is done about a cluster that knows none of them.

use crate::{
    event::Reporter,
    locate::Located,
    postgres::{
        cluster::{Cluster, Reach},
        error::ClusterError,
        observe::files,
        observe::session::NO_ENTRY,
        program::Program,
        run::start::Start,
        single_user,
        user::{User, current_uid},
    },
};

/// The superuser's name where it is not the owner's.
pub(crate) const SUPERUSER: &str = "postgres";

/// Whether the role that was refused is not there. (The message is English: every server that ampup or ampd makes is of the
/// locale C.)
pub(crate) fn is_unknown(code: &str, message: &str) -> bool {
    code == NO_ENTRY && message.ends_with("does not exist")
}

impl Cluster {
    /// The superuser's likely name while nobody can be asked: the cluster's owner, who made it.
    pub(crate) fn superuser(&self) -> String {
        let owner = files::owner(&self.directory).unwrap_or_else(|_| current_uid());
        self.roles(owner).swap_remove(0)
    }

    /// The names that the superuser may have: what was said, its owner's, or what most other programs choose, and we on a
    /// loopback.
    pub(crate) fn roles(&self, owner: u32) -> Vec<String> {
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

    /// Lets its owner into a cluster that another user's was copied to, and that no server works in: the owner's name becomes
    /// a superuser's, unless it is one, or nobody has it and `postgres` is one. Gives the name if something was changed.
    ///
    /// # Errors
    /// When the cluster cannot be asked, or, on a loopback, does not know our password.
    pub fn let_owner_in(
        &self,
        programs: &Located,
        run_as: Option<&User>,
        reporter: &dyn Reporter,
    ) -> Result<Option<String>, ClusterError> {
        if self.reach == Reach::Loopback {
            let start = Start {
                run_as: run_as.cloned(),
                ..Start::default()
            };
            let next = self.clone().with_programs(programs.clone());
            return next.start(&start, reporter)?.end(reporter).map(|_| None);
        }
        let owner = files::owner(&self.directory).map_err(self.failed("look at"))?;
        let postgres = Program {
            tree: &programs.tree,
            name: "postgres",
            run_as,
        };
        let standing = |role: &str| {
            let statement = format!(
                "select case when rolsuper and rolcanlogin then 'super' else 'plain' end as found \
                 from pg_catalog.pg_roles where rolname = {}",
                quoted(role, '\'')
            );
            let answer = single_user::ask(&postgres, &self.directory, &statement)?;
            Ok::<_, ClusterError>(match answer {
                answer if answer.contains("found = \"super\"") => Standing::Superuser,
                answer if answer.contains("found = \"plain\"") => Standing::Ordinary,
                _ => Standing::Absent,
            })
        };
        let roles = self.roles(owner);
        let name = &roles[0];
        let verb = match (standing(name)?, roles.get(1)) {
            (Standing::Superuser, _) => return Ok(None),
            (Standing::Absent, Some(second)) if standing(second)? == Standing::Superuser => return Ok(None),
            (Standing::Absent, _) => "create",
            (Standing::Ordinary, _) => "alter",
        };
        let make = format!(
            "{verb} role {} superuser createdb createrole replication bypassrls login",
            quoted(name, '"')
        );
        let answer = single_user::ask(&postgres, &self.directory, &make)?;
        // An error is told on stderr alone, with exit code 0.
        if standing(name)? == Standing::Superuser {
            Ok(Some(name.clone()))
        } else {
            Err(postgres.unexpected(&answer).into())
        }
    }
}

/// What a role is in a cluster.
#[derive(PartialEq, Eq)]
enum Standing {
    Absent,
    Ordinary,
    Superuser,
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
