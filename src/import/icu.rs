//! Text that is sorted by ICU, which some builds of PostgreSQL do without
//! (<https://www.postgresql.org/docs/current/collation.html>). It is seen before anything is copied.

use fs_err as fs;
use memchr::memmem;

use crate::{
    dump::{DumpError, Patience},
    locate::Located,
};

/// The advice where a build without ICU is to sort by it.
pub(crate) const TAKE_ANOTHER: &str = "take a build of PostgreSQL with ICU, as zonky's (`ampup info postgres` lists them, each as it is named): \
     `ampup install postgres@VERSION+zonky`, then run the same command again";

/// The words that a server has for who asks it for ICU, where it was built without.
const WITHOUT: &[u8] = b"ICU is not supported in this build";

/// A collation of ICU's that objects of the database use: one of their own, or one of those that every cluster has.
const USED: &str = "select c.collname from pg_catalog.pg_collation c where c.collprovider = 'i' \
    and (c.oid >= 16384 or exists (select from pg_catalog.pg_depend d \
        where d.refclassid = 'pg_catalog.pg_collation'::regclass and d.refobjid = c.oid)) order by 1 limit 1;\n";

/// Returns a collation of ICU's that a server's database uses, if it uses one.
pub(super) fn used_by(server: &Patience<'_>) -> Result<Option<String>, DumpError> {
    let said = server.ask(USED)?;
    Ok(said.lines().next().map(str::to_owned))
}

/// Returns the collation of ICU's that a line of a dump makes, or sorts by.
pub(super) fn named(line: &str) -> Option<&str> {
    if let Some(rest) = line.strip_prefix("CREATE COLLATION ") {
        return rest.split_once(" (provider = icu,").map(|(name, _)| name);
    }
    // The names of those that every cluster has.
    let (_, rest) = line.split_once(" COLLATE pg_catalog.\"")?;
    rest.split('"').next().filter(|name| name.ends_with("-x-icu"))
}

/// Ensures that this PostgreSQL can sort so.
pub(super) fn ensure(programs: &Located, collation: Option<&str>) -> Result<(), DumpError> {
    let Some(collation) = collation else {
        return Ok(());
    };
    // Whether it can is said by nothing but its bytes. One that cannot be read is not refused: the import would tell.
    let server = fs::read(programs.program("postgres")).unwrap_or_default();
    if memmem::find(&server, WITHOUT).is_none() {
        return Ok(());
    }
    Err(DumpError::Refused {
        message: format!(
            "text is sorted by ICU there (the collation `{collation}`), and this build of PostgreSQL {} has no ICU",
            programs.major()
        ),
        hint: TAKE_ANOTHER.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_collation_of_icu_is_known_by_its_line() {
        let rows = [
            (
                "CREATE COLLATION public.german (provider = icu, locale = 'de');",
                Some("public.german"),
            ),
            (
                "    name text COLLATE pg_catalog.\"de-x-icu\" NOT NULL,",
                Some("de-x-icu"),
            ),
            ("CREATE COLLATION public.c (provider = libc, locale = 'C');", None),
            ("    name text COLLATE pg_catalog.\"C\",", None),
            ("    name text,", None),
        ];
        every(rows, |(line, collation)| {
            assert_eq!(named(line), collation, "{line}");
        });
    }
}
