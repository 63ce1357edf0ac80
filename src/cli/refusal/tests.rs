use super::*;
use crate::table::every;

fn refusal_of(line: &str) -> String {
    let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let refusal = help::parsed().try_get_matches_from(&words).expect_err("refused");
    error(&refusal, &words).lines().join("\n")
}

#[test]
fn a_refused_line_is_answered_with_the_one_that_was_meant() {
    let rows = [
        (
            "ampup instal postgres@18",
            "error: there is no command `ampup instal`\nhint: did you mean `ampup install postgres@18`?",
        ),
        (
            "ampup status",
            "error: there is no command `ampup status`\nhint: did you mean `ampup db status`?",
        ),
        (
            "ampup restore x",
            "error: there is no command `ampup restore`\nhint: did you mean `ampup db restore x`?",
        ),
        (
            "ampup ampd solo",
            "error: there is no command `ampup ampd`\nhint: did you mean `ampup run ampd solo`?",
        ),
        (
            "ampup solo",
            "error: there is no command `ampup solo`\nhint: `ampup run ampd solo` runs Amp",
        ),
        (
            "ampup amp",
            "error: there is no command `ampup amp`\nhint: `ampup install` installs Amp: ampd, ampctl and PostgreSQL",
        ),
        (
            "ampup pg_dump -Fc",
            "error: there is no command `ampup pg_dump`\nhint: did you mean `ampup run pg_dump -Fc`?",
        ),
        (
            "ampup psql db",
            "error: there is no command `ampup psql`\nhint: did you mean `ampup db psql`?",
        ),
        (
            "ampup --offline start db --tcp",
            "error: there is no command `ampup start`\nhint: did you mean `ampup --offline db start --tcp`?",
        ),
        (
            "ampup postgres@17 install",
            "error: there is no command `ampup postgres@17`\nhint: did you mean `ampup install postgres@17`?",
        ),
        (
            "ampup ampd run solo",
            "error: there is no command `ampup ampd`\nhint: did you mean `ampup run ampd solo`?",
        ),
        (
            "ampup db run psql",
            "error: there is no command `ampup db run`\nhint: did you mean `ampup run psql`?",
        ),
        (
            "ampup help psql",
            "error: there is no command `ampup psql`\nhint: did you mean `ampup help db psql`?",
        ),
        (
            "ampup db help psqll",
            "error: there is no command `ampup db psqll`\nhint: did you mean `ampup help db psql`?",
        ),
        (
            "ampup help db psqll",
            "error: there is no command `ampup db psqll`\nhint: did you mean `ampup help db psql`?",
        ),
        (
            "ampup help ampd",
            "error: there is no command `ampup ampd`\nhint: did you mean `ampup help run`?",
        ),
        (
            "ampup db --amp-dir ../other/.amp stop",
            "error: `--amp-dir` is an option of `ampup db stop`, and comes after it\nhint: did you mean `ampup db stop --amp-dir ../other/.amp`?",
        ),
        (
            "ampup --dry-run install tool",
            "error: `--dry-run` is an option of `ampup install`, and comes after it\nhint: did you mean `ampup install --dry-run tool`?",
        ),
        (
            "ampup --amp-dir=a db psql -- -c x",
            "error: `--amp-dir` is an option of `ampup db psql`, and comes after it\nhint: did you mean `ampup db psql '--amp-dir=a' -- -c x`?",
        ),
        (
            "ampup db logs --lines x",
            "error: `ampup db logs` has no option `--lines`\nhint: `ampup help db logs` lists the options",
        ),
        (
            "ampup restart",
            "error: there is no command `ampup restart`\nhint: `ampup db stop`, then `ampup db start`",
        ),
        (
            "ampup pg",
            "error: there is no command `ampup pg`\nhint: did you mean `ampup run postgres`?",
        ),
        (
            "ampup PostgreSQL",
            "error: there is no command `ampup PostgreSQL`\nhint: did you mean `ampup run postgres`?",
        ),
        (
            "ampup pg@17",
            "error: there is no command `ampup pg@17`\nhint: did you mean `ampup install pg@17`?",
        ),
        (
            "ampup install --jobs x",
            "error: invalid value `x` for `--jobs <N>`: it is not a number from 1 up\nhint: `ampup help install`",
        ),
        (
            "ampup list --lock-timeout x",
            "error: invalid value `x` for `--lock-timeout <N>`: it is not a number from 0 up\nhint: `ampup help list`",
        ),
        (
            "ampup list --lock-timeout 99999999999999999999",
            "error: invalid value `99999999999999999999` for `--lock-timeout <N>`: it is too large\nhint: `ampup help list`",
        ),
        (
            "ampup info Tool!",
            "error: `Tool!` is not a component name (a lower-case letter, then letters, digits and hyphens, at most 64; not `bin`)\nhint: `ampup help info`",
        ),
        (
            "ampup help frobnicate",
            "error: there is no command `ampup frobnicate`\nhint: `ampup --help` lists the commands",
        ),
        (
            "ampup unpin postgres",
            "error: there is no command `ampup unpin`\n  to remove a pin, delete its line in the project's `ampup.toml`",
        ),
        (
            "ampup info postgres@18",
            "error: `ampup info` takes the name of a component without a version\nhint: did you mean `ampup info postgres`?",
        ),
        (
            "ampup check postgres 18 --offline",
            "error: `ampup check` takes the name of a component without a version\nhint: did you mean `ampup check postgres --offline`?",
        ),
        (
            "ampup update postgres 18",
            "error: `ampup update` takes the name of a component without a version\nhint: `ampup install postgres@18`",
        ),
        (
            "ampup info pg_dump",
            "error: there is no component `pg_dump`; it is a program of postgres\nhint: did you mean `ampup info postgres`?",
        ),
        (
            "ampup frobnicate",
            "error: there is no command `ampup frobnicate`\nhint: `ampup --help` lists the commands",
        ),
        (
            "ampup db strat",
            "error: there is no command `ampup db strat`\nhint: did you mean `ampup db start`?",
        ),
        (
            "ampup install --dry-rum",
            "error: `ampup install` has no option `--dry-rum`\nhint: did you mean `ampup install --dry-run`?",
        ),
        (
            "ampup use postgres 17 --dry-run",
            "error: the version of a component is joined to its name: `postgres@17`\nhint: did you mean `ampup use postgres@17 --dry-run`?",
        ),
        (
            "ampup db upgrade 17",
            "error: unexpected argument `17` found\nhint: did you mean `ampup db upgrade --to 17`?",
        ),
        (
            "ampup db create shop",
            "error: there is no command `ampup db create`\nhint: did you mean `ampup db psql -c 'create database shop'`?",
        ),
        (
            "ampup db create",
            "error: there is no command `ampup db create`\nhint: did you mean `ampup db start`?",
        ),
        (
            "ampup db undo",
            "error: there is no command `ampup db undo`\nhint: did you mean `ampup db restore`, which lists what can be brought back?",
        ),
        (
            "ampup db rollback before.tar.zst",
            "error: there is no command `ampup db rollback`\nhint: did you mean `ampup db restore before.tar.zst`?",
        ),
        (
            "ampup rollback",
            "error: there is no command `ampup rollback`\nhint: did you mean `ampup undo`?",
        ),
        (
            "ampup db uninstall",
            "error: there is no command `ampup db uninstall`\nhint: did you mean `ampup db reset`?",
        ),
        (
            "ampup prune .amp/metadb.old-1 .amp/metadb.old-2",
            "error: `.amp/metadb.old-1` is not the name of a component\nhint: did you mean `ampup prune --remove .amp/metadb.old-1 .amp/metadb.old-2`?",
        ),
        (
            "ampup list --fast",
            "error: `ampup list` has no option `--fast`\nhint: `ampup help list` lists the options",
        ),
        (
            "ampup info",
            "error: the following required arguments were not provided: <NAME>\nhint: `ampup help info`",
        ),
        (
            "ampup --color blue list",
            "error: invalid value `blue` for `--color <WHEN>` [possible values: auto, always, never]\nhint: `ampup help list`",
        ),
    ];
    every(rows, |(line, expected)| {
        assert_eq!(refusal_of(line), expected, "{line}");
    });
}
