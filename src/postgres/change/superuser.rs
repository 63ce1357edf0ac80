//! Letting the owner of a cluster in that knows none of the names of its superuser.

use crate::{
    event::Reporter,
    locate::Located,
    postgres::{
        cluster::Cluster,
        context::Reach,
        error::ClusterError,
        observe::{files, roles::roles},
        program::Program,
        run::{initdb::Flush, start::StartOptions},
        single_user,
        user::OsUser,
    },
};

/// Lets its owner into a cluster that another user's was copied to, and that no server works in: the owner's name becomes
/// a superuser's, unless it is one, or nobody has it and `postgres` is one. Gives the name if something was changed.
///
/// # Errors
/// When the cluster cannot be asked, or, on a loopback, does not know our password.
pub fn let_owner_in(
    cluster: &Cluster,
    programs: &Located,
    run_as: Option<&OsUser>,
    reporter: &dyn Reporter,
) -> Result<Option<String>, ClusterError> {
    let context = cluster.context();
    let directory = &context.directory;
    if context.reach == Reach::Loopback {
        let start = StartOptions {
            run_as: run_as.cloned(),
            ..StartOptions::default()
        };
        let served = cluster.clone().with_programs(programs.clone());
        return served.start(&start, reporter)?.shut_down(reporter).map(|_| None);
    }
    let owner = files::owner(directory).map_err(context.failed("look at"))?;
    let postgres = Program {
        tree: &programs.tree,
        name: "postgres",
        run_as,
        interrupt: &context.interrupt,
    };
    let standing = |role: &str| {
        let statement = format!(
            "select case when rolsuper and rolcanlogin then 'super' else 'plain' end as found \
             from pg_catalog.pg_roles where rolname = {}",
            quoted(role, '\'')
        );
        let answer = single_user::ask(&postgres, directory, &statement, Flush::Yes)?;
        Ok::<_, ClusterError>(match answer {
            answer if answer.contains("found = \"super\"") => Standing::Superuser,
            answer if answer.contains("found = \"plain\"") => Standing::Ordinary,
            _ => Standing::Absent,
        })
    };
    let roles = roles(context, owner);
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
    let answer = single_user::ask(&postgres, directory, &make, Flush::Yes)?;
    // An error is told on stderr alone, with exit code 0.
    if standing(name)? == Standing::Superuser {
        Ok(Some(name.clone()))
    } else {
        Err(postgres.unexpected(&answer).into())
    }
}

/// The standing of a role in a cluster.
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
    fn names_are_quoted() {
        assert_eq!(quoted("o'b\"c", '\''), "'o''b\"c'");
        assert_eq!(quoted("o'b\"c", '"'), "\"o'b\"\"c\"");
    }
}
