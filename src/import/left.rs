//! Properties that the dump of one database leaves out, in words: the other databases of its server, the settings of the
//! database and of roles, those that `alter system` wrote, the database's comment, locale, connection limit and privileges,
//! those on parameters, the comments and attributes of roles, and the places of tables. They are reported, so that the user can
//! bring them over.

use crate::dump::{DumpError, Patience};

/// Asks a server, in the database that was imported. Each row is a line.
const LINES: &str = "select pg_catalog.translate(line, E'\\n', ' ') from ( \
    select concat('settings of ', concat_ws(' in ', case when s.setrole <> 0 then 'role ' || r.rolname end, \
        case when s.setdatabase <> 0 then 'the database' end), ': ', pg_catalog.array_to_string(s.setconfig, ', ')) as line \
    from pg_catalog.pg_db_role_setting s join pg_catalog.pg_database d on d.datname = pg_catalog.current_database() \
        left join pg_catalog.pg_roles r on r.oid = s.setrole where s.setdatabase in (0, d.oid) \
    union all select 'the comment on the database: ' || c.description from pg_catalog.pg_shdescription c \
        join pg_catalog.pg_database d on d.oid = c.objoid and d.datname = pg_catalog.current_database() \
        where c.classoid = 'pg_catalog.pg_database'::regclass \
    union all select concat('the connection limit of the database: ', datconnlimit) from pg_catalog.pg_database \
        where datname = pg_catalog.current_database() and datconnlimit >= 0 \
    union all select concat('setting of the server: ', name, ' = ', pg_catalog.current_setting(name), ' (postgresql.auto.conf)') \
        from pg_catalog.pg_settings where sourcefile ~ 'postgresql[.]auto[.]conf$' \
    union all select concat('the locale of the database, ', datcollate, ': text is sorted by its bytes here') \
        from pg_catalog.pg_database where datname = pg_catalog.current_database() \
        and datcollate not in ('C', 'POSIX', 'C.UTF-8', 'C.utf8') \
    union all select 'comments on roles: ' || pg_catalog.string_agg(r.rolname, ', ' order by r.rolname) \
        from pg_catalog.pg_roles r where pg_catalog.shobj_description(r.oid, 'pg_authid') is not null having count(*) > 0 \
    union all select 'other databases of the server: ' || pg_catalog.string_agg(datname, ', ' order by datname) \
        from pg_catalog.pg_database where not datistemplate and datname not in (pg_catalog.current_database(), 'postgres') \
        having count(*) > 0 \
    union all select 'tablespaces: ' || pg_catalog.string_agg(spcname, ', ' order by spcname) \
        from pg_catalog.pg_tablespace where spcname !~ '^pg_' having count(*) > 0 \
    union all select 'privileges on the database: ' || pg_catalog.array_to_string(datacl, ', ') \
        from pg_catalog.pg_database where datname = pg_catalog.current_database() and datacl is not null \
    union all select 'attributes of roles: ' || pg_catalog.string_agg(concat(r.rolname, ' (', concat_ws(', ', \
            case when r.rolcreatedb then 'CREATEDB' end, case when r.rolcreaterole then 'CREATEROLE' end, \
            case when r.rolreplication then 'REPLICATION' end, case when r.rolbypassrls then 'BYPASSRLS' end, \
            case when not r.rolinherit then 'NOINHERIT' end), ')'), ', ' order by r.rolname) \
        from pg_catalog.pg_roles r where r.rolname !~ '^pg_' and r.oid <> 10 and (r.rolcreatedb or r.rolcreaterole \
            or r.rolreplication or r.rolbypassrls or not r.rolinherit) having count(*) > 0 \
    union all select 'logins and memberships of roles: ' || pg_catalog.string_agg(r.rolname, ', ' order by r.rolname) \
        from pg_catalog.pg_roles r where r.rolname !~ '^pg_' and r.oid <> 10 and (r.rolcanlogin \
            or exists (select from pg_catalog.pg_auth_members m where m.member = r.oid)) \
    having count(*) > 0) as lines (line) order by 1;\n";

/// The comments on databases that initdb makes.
const STANDARD_COMMENTS: [&str; 3] = [
    "default administrative connection database",
    "default template for new databases",
    "unmodifiable empty database",
];

/// Returns true for the comment on a database that is in every cluster from the beginning.
pub(super) fn is_standard_comment(text: &str) -> bool {
    STANDARD_COMMENTS.contains(&text)
}

/// The first major that has privileges on parameters.
const WITH_PARAMETERS: u64 = 15;
/// The same for those, which an older server does not know.
const OF_PARAMETERS: &str = "select concat('privileges on the parameter ', parname, ': ', \
        pg_catalog.translate(pg_catalog.array_to_string(paracl, ', '), E'\\n', ' ')) \
    from pg_catalog.pg_parameter_acl order by 1;\n";

/// Lists what an import from this server, of this major, leaves behind.
pub(super) fn behind(from: &Patience<'_>, major: u64) -> Result<Vec<String>, DumpError> {
    let mut lines = from.ask(LINES)?;
    if major >= WITH_PARAMETERS {
        lines += &from.ask(OF_PARAMETERS)?;
    }
    let comment = |line: &&str| {
        line.strip_prefix("the comment on the database: ")
            .map(is_standard_comment)
    };
    let told = lines.lines().filter(|line| comment(line) != Some(true));
    Ok(told.map(str::to_owned).collect())
}
