//! The roles that a dump names. A database's dump does not hold them, and so they are made before it is loaded: without the
//! right to log in, because only the superuser does that here.

use std::collections::BTreeSet;

use crate::{
    postgres::observe::endpoint::DATABASE,
    transfer::{Clients, Side, TransferError},
};

/// How statements of pg_dump that name roles begin, and the words after which they do. Also without privileges and owners
/// a dump has policies and user mappings.
const NAMING: [(&str, &[&str]); 8] = [
    ("GRANT ", &[" TO "]),
    ("REVOKE ", &[" FROM "]),
    ("ALTER DEFAULT PRIVILEGES ", &[" FOR ROLE ", " TO ", " FROM "]),
    ("ALTER ", &[" OWNER TO "]),
    ("SET SESSION AUTHORIZATION ", &[" AUTHORIZATION "]),
    ("CREATE POLICY ", &[" TO "]),
    ("CREATE SCHEMA ", &[" AUTHORIZATION "]),
    ("CREATE USER MAPPING ", &[" FOR "]),
];

/// The same of a server, quoted.
pub(super) const OF_SERVER: &str = "select pg_catalog.quote_ident(r.rolname) from pg_catalog.pg_roles r \
    where exists (select from pg_catalog.pg_policy p where r.oid = any (p.polroles)) \
    or exists (select from pg_catalog.pg_user_mappings m where m.umuser = r.oid);\n";

/// Makes roles, whose names are quoted where they must be.
pub(super) fn make(clients: &Clients, next: &Side, roles: &BTreeSet<String>) -> Result<(), TransferError> {
    // Some are there already (the superuser, PostgreSQL's own), and some are none (PUBLIC).
    let mut statements = "\\unset ON_ERROR_STOP\n".to_owned();
    for role in roles {
        statements += &format!("create role {role} nologin;\n");
    }
    clients.ask(next, DATABASE, &statements).map(drop)
}

/// The roles that a statement names, as they stand in it. All are in its first line.
pub(super) fn named(statement: &str) -> Vec<String> {
    let begins = |begin: &str| {
        let first = statement.get(..begin.len());
        first.is_some_and(|first| first.eq_ignore_ascii_case(begin))
    };
    let words = NAMING.iter().find(|(begin, _)| begins(begin));
    let words = words.map(|(_, words)| *words).unwrap_or_default();
    words
        .iter()
        .filter_map(|word| after(statement, word))
        .flat_map(listed)
        .collect()
}

/// What comes after a word that is not part of a name in quotes.
fn after<'a>(statement: &'a str, word: &str) -> Option<&'a str> {
    let capitals = statement.to_ascii_uppercase();
    capitals
        .match_indices(word)
        .find(|(at, _)| statement[..*at].matches('"').count().is_multiple_of(2))
        .map(|(at, _)| &statement[at + word.len()..])
}

/// The names at the beginning of a text, with commas between them.
fn listed(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let length = name(rest);
        if length == 0 {
            return names;
        }
        names.push(rest[..length].to_owned());
        match rest[length..].trim_start().strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None => return names,
        }
    }
}

/// How long the name is that a text begins with.
fn name(text: &str) -> usize {
    let Some(inner) = text.strip_prefix('"') else {
        let is_end = |letter: char| !letter.is_alphanumeric() && !matches!(letter, '_' | '$');
        return text.find(is_end).unwrap_or(text.len());
    };
    let mut at = 0;
    while let Some(quote) = inner[at..].find('"') {
        at += quote + 1;
        // A doubled one stands for itself.
        if !inner[at..].starts_with('"') {
            return at + 1;
        }
        at += 1;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_found_where_pg_dump_names_them() {
        for (statement, roles) in [
            ("ALTER TABLE public.t OWNER TO app;", &["app"][..]),
            (
                "GRANT SELECT ON TABLE public.t TO \"a \"\"b; TO c\" WITH GRANT OPTION;",
                &["\"a \"\"b; TO c\""],
            ),
            (
                "grant select on \" TO x\" to a, \"B\",PUBLIC;",
                &["a", "\"B\"", "PUBLIC"],
            ),
            (
                "REVOKE ALL ON FUNCTION f(\"from\" text) FROM CURRENT_USER;",
                &["CURRENT_USER"],
            ),
            (
                "ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA s GRANT SELECT ON TABLES  TO b;",
                &["a", "b"],
            ),
            (
                "ALTER DEFAULT PRIVILEGES FOR ROLE a REVOKE ALL ON TYPES  FROM PUBLIC;",
                &["a", "PUBLIC"],
            ),
            (
                "CREATE POLICY p ON public.t TO a, b USING ((y = ' TO c'::text));",
                &["a", "b"],
            ),
            (
                "CREATE POLICY p ON public.t FOR SELECT TO größe$1 USING (true);",
                &["größe$1"],
            ),
            ("CREATE USER MAPPING FOR a SERVER s OPTIONS (", &["a"]),
            ("CREATE SCHEMA s AUTHORIZATION a;", &["a"]),
            ("SET SESSION AUTHORIZATION a;", &["a"]),
            ("GRANT SELECT ON TABLE t TO \"a", &[]),
            ("ALTER TABLE t ALTER COLUMN c SET DEFAULT f(x FROM y);", &[]),
            ("CREATE TABLE t (x text DEFAULT ' TO a');", &[]),
            ("GRAN", &[]),
            ("Größe", &[]),
        ] {
            assert_eq!(named(statement), roles, "{statement}");
        }
    }
}
