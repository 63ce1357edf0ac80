//! The server of a project that nobody serves: what keeps it from starting is found, and really keeps `ampup run` and ampd's own
//! command lines from it.

use camino::Utf8Path;

use super::{ampd_works, doctor, found, home, within};
use crate::support::{home::finish, table::every_named, tls, world::write};

/// A stopped cluster: a shell's lines that change it, in its directory (`$P` is the project's, `$T` the tree that serves), who
/// stumbles over that, and what doctor says.
type Row = (&'static str, Stumbles, &'static str);

/// Who stumbles over a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stumbles {
    Nobody,
    /// Plain ampd's command lines.
    Plain,
    /// `ampup run`, which is a problem.
    Run,
    Both,
    /// Both, and `ampup run` only after it waited in vain: it is not tried.
    BothAtLast,
}
use Stumbles::{Both, BothAtLast, Nobody, Plain, Run};

const ROWS: &[Row] = &[
    // Settings.
    (
        "echo 'foo = bar' >>postgresql.conf",
        Both,
        "does not start: unrecognized configuration parameter",
    ),
    (
        "echo \"work_mem = 'much'\" >>postgresql.auto.conf",
        Both,
        "invalid value for parameter \"work_mem\"",
    ),
    (
        "echo \"include 'nowhere.conf'\" >>postgresql.conf",
        Both,
        "nowhere.conf",
    ),
    (
        "echo \"include 'more.conf'\" >>postgresql.conf; echo 'work_mem = 8MB' >more.conf",
        Nobody,
        "",
    ),
    ("rm postgresql.conf", Both, "postgresql.conf"),
    ("chmod 0 postgresql.conf", Both, "postgresql.conf"),
    (
        "echo \"lc_messages = 'xx_YY.UTF-8'\" >>postgresql.conf",
        Both,
        "lc_messages",
    ),
    (
        "echo \"timezone = 'Mars/Phobos'\" >>postgresql.conf",
        Both,
        "TimeZone",
    ),
    (
        "echo \"data_directory = '$P/elsewhere'\" >>postgresql.conf; cp -a . \"$P/elsewhere\"",
        Run,
        "have its data in",
    ),
    (
        "echo 'port = 5555' >>postgresql.conf",
        Plain,
        "have the port 5555",
    ),
    (
        "echo \"listen_addresses = 'nowhere.invalid'\" >>postgresql.conf",
        Nobody,
        "",
    ),
    (
        "echo 'logging_collector = on' >>postgresql.conf; echo \"log_directory = '/proc/nowhere'\" >>postgresql.conf",
        Plain,
        "`log_directory`",
    ),
    (
        "echo 'default_transaction_read_only = on' >>postgresql.conf",
        Both,
        "default_transaction_read_only",
    ),
    // Memory.
    (
        "echo 'huge_pages = on' >>postgresql.conf; echo 'shared_buffers = 4TB' >>postgresql.conf",
        Both,
        "could not map anonymous shared memory",
    ),
    // Libraries.
    (
        "echo \"shared_preload_libraries = 'nolib'\" >>postgresql.conf",
        Both,
        "could not access file \"nolib\"",
    ),
    (
        "echo \"session_preload_libraries = 'nolib'\" >>postgresql.conf",
        Both,
        "could not access file \"nolib\"",
    ),
    (
        "echo \"local_preload_libraries = 'nolib'\" >>postgresql.conf",
        Both,
        "nolib",
    ),
    (
        "echo \"session_preload_libraries = 'auto_explain'\" >>postgresql.conf",
        Nobody,
        "",
    ),
    // Certificates.
    (
        "echo 'ssl = on' >>postgresql.conf",
        Both,
        "could not load server certificate file \"server.crt\"",
    ),
    (
        "echo 'ssl = on' >>postgresql.conf; echo garbage >server.crt; cp \"$P/server.key\" .",
        Both,
        "could not load server certificate file \"server.crt\"",
    ),
    (
        "echo 'ssl = on' >>postgresql.conf; cp \"$P/server.crt\" .",
        Both,
        "could not access private key file \"server.key\"",
    ),
    (
        "echo 'ssl = on' >>postgresql.conf; cp \"$P/server.crt\" \"$P/server.key\" .; chmod 644 server.key",
        Both,
        "private key file \"server.key\" has group or world access",
    ),
    (
        "echo 'ssl = on' >>postgresql.conf; cp \"$P/server.crt\" .; echo garbage >server.key; chmod 600 server.key",
        Both,
        "could not load private key file \"server.key\"",
    ),
    (
        "echo 'ssl = on' >>postgresql.conf; cp \"$P/server.crt\" \"$P/server.key\" .; chmod 600 server.key",
        Nobody,
        "",
    ),
    // Who is let in, and where.
    (
        "echo 'local all all scram-sha-256' >pg_hba.conf",
        Both,
        "asks the sessions of",
    ),
    ("rm pg_hba.conf", Both, "cannot read"),
    ("mkdir .s.PGSQL.5432", Both, "is a directory"),
    (
        "echo 'unix_socket_permissions = 0077' >>postgresql.conf",
        BothAtLast,
        "`unix_socket_permissions = 0077`",
    ),
    (
        "echo 'unix_socket_permissions = 0700' >>postgresql.conf; echo \"unix_socket_group = '$(id -g)'\" >>postgresql.conf",
        Nobody,
        "",
    ),
    (
        "echo \"unix_socket_group = 'daemon'\" >>postgresql.conf",
        Both,
        "`unix_socket_group = daemon`",
    ),
    // Files.
    ("rm -r pg_wal", Both, "lacks `pg_wal`"),
    ("rm -r pg_xact", Both, "lacks `pg_xact`"),
    ("rm -r pg_multixact/offsets", Both, "lacks `pg_multixact/offsets`"),
    ("rm pg_wal/0*", Both, "from which its server would recover"),
    ("rm pg_xact/0000", Both, "pg_xact` lacks `0000`"),
    (
        "rm pg_multixact/offsets/0000",
        Both,
        "pg_multixact/offsets` lacks `0000`",
    ),
    ("rm -r base/5", Both, "lacks the database `postgres`"),
    (
        "echo 'drop database postgres' | LC_ALL=C \"$T/bin/postgres\" --single -D \"$PWD\" template1 >/dev/null",
        Both,
        "lacks the database `postgres`",
    ),
    (
        "printf 'drop database postgres\\ncreate database postgres\\n' | LC_ALL=C \"$T/bin/postgres\" --single -D \"$PWD\" template1 >/dev/null",
        Nobody,
        "",
    ),
    (
        "head -c 8192 /dev/zero >global/pg_control",
        Both,
        "database files are incompatible with server",
    ),
    (
        "printf x | dd of=global/pg_control bs=1 seek=100 conv=notrunc 2>/dev/null",
        Both,
        "incorrect checksum in control file",
    ),
    // Recovery.
    ("touch standby.signal", Both, "makes its server a standby"),
    ("touch recovery.signal", Both, "no `restore_command` is set"),
    (
        "echo 'START WAL LOCATION: 0/99000028 (file 000000010000000000000099)' >backup_label",
        Both,
        "lacks `000000010000000000000099`",
    ),
];

/// It moves what all rows share.
const LAST: Row = (
    "mv \"$T/lib\" \"$T/lib.away\"",
    Both,
    "postgres 18.4 lacks its `lib/`",
);

#[test]
fn each_fault_of_a_stopped_cluster_is_found_alone_and_stops_run_and_ampd() {
    let home = home();
    let shell = |project: &str, lines: &str| {
        let mut command = within(&home, home.as_the_user("/bin/sh".into()), project);
        let tree = home.path().join("components/postgres/18.4.0");
        command
            .args(["-ec", lines])
            .env("T", tree)
            .env("P", home.directory(project));
        finish(command).exits(0)
    };
    let sound = home.directory("sound");
    home.give(&sound);
    finish(within(&home, home.command(&["run", "true"]), "sound")).exits(0);
    let (certificate, key) = tls::pem();
    write(&sound.join("server.crt"), certificate);
    write(&sound.join("server.key"), key);
    home.give(&sound);
    let attempt = |number: usize, (change, stumbles, said): &Row| {
        let level = match stumbles {
            Nobody => None,
            Plain => Some("warning"),
            Run | Both | BothAtLast => Some("problem"),
        };
        let project = format!("row {number}");
        home.give(&home.directory(&project));
        shell(
            &project,
            &format!("cp -a \"{sound}\"/. .; cd .amp/metadb; {change}"),
        );
        // With this variable nothing is tried, which would take longer.
        let found = found(&doctor(&home, &project, |command| {
            command.env("PGPORT", "1");
        }));
        let others: Vec<_> = found
            .iter()
            .filter(|(_, text)| !text.starts_with("PGPORT: "))
            .collect();
        let (count, is_alone) = match level {
            None => (0, true),
            Some(level) => (
                1,
                others
                    .first()
                    .is_some_and(|(found, text)| *found == level && text.contains(said)),
            ),
        };
        assert!(others.len() == count && is_alone, "{others:#?}");
        // What `run` does may mend it, or leave something: ampd's lines come first where they should fail.
        let plain = ampd_works(&home, &project, |_| {});
        assert_eq!(plain, matches!(stumbles, Nobody | Run), "ampd's command lines");
        if *stumbles == BothAtLast {
            return;
        }
        let run = home.command(&[
            "--json",
            "run",
            "--",
            "psql",
            "-XqAtc",
            "create table t(); drop table t",
        ]);
        let run = finish(within(&home, run, &project));
        assert_eq!(run.code != 0, matches!(stumbles, Run | Both), "{run:#?}");
        // Where the program itself does not load, or ran, nothing more is known.
        let needs_none = ["does not run here", "read-only"]
            .iter()
            .any(|text| run.stdout.contains(text) || run.stderr.contains(text));
        assert!(
            run.code == 0 || needs_none || run.json()["error"]["hint"].is_string(),
            "{run:#?}"
        );
    };
    std::thread::scope(|scope| {
        let numbered: Vec<(usize, &Row)> = ROWS.iter().enumerate().collect();
        for half in numbered.chunks(ROWS.len().div_ceil(2)) {
            let (attempt, half) = (&attempt, half.to_vec());
            scope.spawn(move || {
                every_named(
                    half,
                    |(_, row)| row.0.to_owned(),
                    |(number, row)| attempt(number, row),
                );
            });
        }
    });
    attempt(ROWS.len(), &LAST);
    let leftovers: Vec<_> = (0..ROWS.len())
        .flat_map(|number| scratch_in(&home.directory(&format!("row {number}/.amp"))))
        .collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

/// The scratch directories of doctor's in a directory.
fn scratch_in(directory: &Utf8Path) -> Vec<String> {
    let entries = directory.read_dir_utf8().expect("listed").flatten();
    entries
        .map(|entry| entry.file_name().to_owned())
        .filter(|name| name.starts_with(".a"))
        .collect()
}
