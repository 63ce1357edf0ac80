//! Settings that a dump does not hold: those of a server that are in its files, and those of the databases that every cluster has
//! from the beginning (<https://www.postgresql.org/docs/current/app-pg-dumpall.html>, `--clean`). They stay behind on purpose.
//! One that names a library, for example, is taken by every server and then keeps the next one from starting.

use super::{Clients, DumpError, Side};

/// Each setting of the files that counts, and each rule of pg_hba.conf, as a line.
const LINES: &str = "select 'postgresql', s.name || ' = ' || translate(s.setting, E'\\n', ' ') || ' (' || \
        regexp_replace(s.sourcefile, '.*/', '') || ')' \
    from (select distinct on (name) * from pg_catalog.pg_file_settings order by name, seqno desc) s; \
    select 'pg_hba', concat_ws(' ', type, database, user_name, address, netmask, auth_method, options) \
    from pg_catalog.pg_hba_file_rules; \
    select 'database', d.datname || coalesce(' for ' || r.rolname, '') || ': ' || array_to_string(s.setconfig, ', ') \
    from pg_catalog.pg_db_role_setting s join pg_catalog.pg_database d on d.oid = s.setdatabase \
        left join pg_catalog.pg_roles r on r.oid = s.setrole where d.datname in ('postgres', 'template1') order by 2; \
    select 'database', datname || ': ' || array_to_string(datacl, ', ') from pg_catalog.pg_database \
    where datname = 'postgres' and datacl is not null;";

/// Databases that no session can be opened in, and so no dump made of. `template0` is every cluster's own.
pub(crate) const CLOSED: &str = "select datname from pg_catalog.pg_database \
    where not datallowconn and datname <> 'template0' order by 1;";

/// Lists the settings in the files of one server that the files of the other do not have.
pub(crate) fn left_behind(clients: &Clients, from: &Side, to: &Side) -> Result<Vec<String>, DumpError> {
    let ask = |side| clients.ask(side, "postgres", LINES);
    Ok(differing(&ask(from)?, &ask(to)?))
}

fn differing(from: &str, to: &str) -> Vec<String> {
    let there: Vec<_> = to.lines().collect();
    let left = from.lines().filter(|line| !there.contains(line));
    let mut words: Vec<_> = left
        .map(|line| match line.split_once('|') {
            Some(("postgresql", setting)) => setting.to_owned(),
            Some(("database", what)) => format!("of database {what}"),
            _ => "rules (pg_hba.conf)".to_owned(),
        })
        .collect();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_user_changed_is_told() {
        let fresh = "postgresql|max_connections = 100 (postgresql.conf)\npg_hba|local {all} {all} trust\n";
        let changed = "postgresql|max_connections = 100 (postgresql.conf)\n\
            postgresql|work_mem = 7MB (postgresql.auto.conf)\npg_hba|local {all} {all} trust\npg_hba|local {all} {eve} reject\n";
        assert!(differing(fresh, fresh).is_empty());
        assert_eq!(
            differing(changed, fresh),
            ["work_mem = 7MB (postgresql.auto.conf)", "rules (pg_hba.conf)"]
        );
        assert!(differing(fresh, changed).is_empty());
    }
}
