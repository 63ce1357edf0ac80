//! The roles that a dump names. A database's dump does not hold them, and so they are made before it is loaded: without the
//! right to log in, because only the superuser does that here.

use std::collections::BTreeMap;

use crate::{
    dump::{Clients, DumpError, Side},
    postgres::observe::endpoint::DATABASE,
};

/// The beginnings of pg_dump's statements that name roles, and the words before the names.
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

/// The objects that only a superuser may own.
const OF_SUPERUSERS: [&str; 4] = [
    "ALTER EVENT TRIGGER ",
    "ALTER FOREIGN DATA WRAPPER ",
    "ALTER PUBLICATION ",
    "ALTER SUBSCRIPTION ",
];

/// Roles, with names that are quoted where they must be, and whether they must be superusers.
pub(super) type Roles = BTreeMap<String, bool>;

/// Asks a server for its roles.
pub(super) const OF_SERVER: &str = "select pg_catalog.quote_ident(rolname), rolsuper from pg_catalog.pg_roles \
    where rolname !~ '^pg_|\\n';\n";

/// Reads what psql prints for `OF_SERVER`.
pub(super) fn of_server(said: &str) -> Roles {
    let pair = |line: &str| {
        line.rsplit_once('|')
            .map(|(name, is)| (name.to_owned(), is == "t"))
    };
    said.lines().filter_map(pair).collect()
}

/// Adds the roles that a statement names.
pub(super) fn add(roles: &mut Roles, statement: &str) {
    let is_super = OF_SUPERUSERS.iter().any(|begin| begins(statement, begin));
    for name in named(statement) {
        *roles.entry(name).or_default() |= is_super;
    }
}

/// Makes roles.
pub(super) fn make(psql: &Clients, next: &Side, roles: &Roles) -> Result<(), DumpError> {
    // Some are there already (the superuser, PostgreSQL's own), and some are none (PUBLIC).
    let mut statements = "\\unset ON_ERROR_STOP\n".to_owned();
    for (role, is_super) in roles {
        let attribute = if *is_super { "superuser" } else { "nosuperuser" };
        statements += &format!("create role {role} nologin {attribute};\n");
    }
    psql.ask(next, DATABASE, &statements).map(drop)
}

/// Takes back what a text only seemed to say: a role that owns nothing and may do nothing is dropped, and one that owns none of
/// the objects that only a superuser may own is none. A row, a comment or a function may hold any statement.
pub(super) fn settle(psql: &Clients, next: &Side, roles: &Roles) -> Result<(), DumpError> {
    if roles.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = roles
        .keys()
        .map(|name| format!("pg_catalog.to_regrole('{}')", name.replace('\'', "''")))
        .collect();
    // Those before are PostgreSQL's own.
    let ours = format!("r.oid >= 16384 and r.oid in ({})", names.join(", "));
    let statements = format!("{UNUSED} {ours} \\gexec\n{NO_SUPERUSER} {ours} \\gexec\n");
    psql.ask(next, DATABASE, &statements).map(drop)
}

/// Asks for a statement for each role that nothing depends on, among those that follow.
const UNUSED: &str = "select pg_catalog.format('drop role %I', r.rolname) from pg_catalog.pg_roles r where \
    not exists (select from pg_catalog.pg_shdepend d where d.refobjid = r.oid \
        and d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass) \
    and not exists (select from pg_catalog.pg_auth_members m where r.oid in (m.roleid, m.member)) \
    and not exists (select from pg_catalog.pg_db_role_setting s where s.setrole = r.oid) and";

/// Asks for a statement for each superuser that has no need to be one, among those that follow.
const NO_SUPERUSER: &str = "select pg_catalog.format('alter role %I nosuperuser', r.rolname) from pg_catalog.pg_roles r \
    where r.rolsuper and r.oid not in (select evtowner from pg_catalog.pg_event_trigger \
        union all select fdwowner from pg_catalog.pg_foreign_data_wrapper \
        union all select pubowner from pg_catalog.pg_publication \
        union all select subowner from pg_catalog.pg_subscription) and";

fn begins(statement: &str, begin: &str) -> bool {
    let first = statement.get(..begin.len());
    first.is_some_and(|first| first.eq_ignore_ascii_case(begin))
}

/// The roles that a statement names, as they stand in it. All are in its first line. What only looks like such a statement
/// (in a string, or in a row) does no harm: a role too many is made, and dropped once the dump is loaded.
fn named(statement: &str) -> Vec<String> {
    let words = NAMING.iter().find(|(begin, _)| begins(statement, begin));
    let words = words.map(|(_, words)| *words).unwrap_or_default();
    words
        .iter()
        .filter_map(|word| after(statement, word))
        .flat_map(listed)
        .collect()
}

/// Returns the text after a word that is not part of a name in quotes.
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
        // `""` is no name.
        if length == 0 || rest.starts_with("\"\"") && length == 2 {
            return names;
        }
        names.push(rest[..length].to_owned());
        match rest[length..].trim_start().strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None => return names,
        }
    }
}

/// Returns the length of the name that a text begins with.
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
    use crate::table::every;

    #[test]
    fn whoever_owns_what_only_a_superuser_may_own_is_made_one() {
        let mut roles = Roles::new();
        for statement in [
            "ALTER TABLE t OWNER TO a;",
            "ALTER PUBLICATION p OWNER TO a;",
            "ALTER TABLE u OWNER TO a;",
            "ALTER TABLE u OWNER TO b;",
        ] {
            add(&mut roles, statement);
        }
        let found: Vec<_> = roles
            .iter()
            .map(|(name, is_super)| (name.as_str(), *is_super))
            .collect();
        assert_eq!(found, [("a", true), ("b", false)]);
        assert_eq!(
            of_server("a|f\n\"b|c\"|t\n"),
            Roles::from([("a".to_owned(), false), ("\"b|c\"".to_owned(), true)])
        );
    }

    #[test]
    fn roles_are_found_where_pg_dump_names_them() {
        let rows = [
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
            ("GRANT SELECT ON TABLE t TO \"\";", &[]),
            ("ALTER TABLE t ALTER COLUMN c SET DEFAULT f(x FROM y);", &[]),
            ("CREATE TABLE t (x text DEFAULT ' TO a');", &[]),
            ("GRAN", &[]),
            ("Größe", &[]),
        ];
        every(rows, |(statement, roles)| {
            assert_eq!(named(statement), roles, "{statement}");
        });
    }
}
