//! A server of somebody else's, which wants a password.

use std::{
    net::TcpListener,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use camino::{Utf8Path, Utf8PathBuf};

use fs_err as fs;

use rustix::process::Signal;

use crate::support::{
    database::DEBIAN,
    home::Home,
    postgres::{done, eventually, kept, run_as, sql},
};

/// Roles that own nothing, and a text that only looks like rows and grants.
pub(super) const ROLES: &str = "create role grafana login; create role \"a \"\"b; TO c\"; create role giver; \
    grant select on t to grafana, \"a \"\"b; TO c\"; grant select on t to giver with grant option; \
    set session authorization giver; grant select on t to grafana; reset session authorization; \
    create role defaults; alter default privileges for role defaults grant select on tables to grafana; \
    create role reader; create policy p on t to app, reader using (y <> 'x'); create role guest; \
    create foreign data wrapper w; create server s foreign data wrapper w; create user mapping for guest server s; \
    create function f() returns text language sql as $f$ select '\nCOPY t FROM stdin;\nGRANT eve TO eve;\n' $f$";

/// Objects of every other sort.
pub(super) const OBJECTS: &str = include_str!("../data/every-object.sql");

/// A server on a port of its own, with a password, as people have one in a container.
pub(super) struct Elsewhere {
    pub(super) server: Child,
    pub(super) address: String,
    pub(super) data: Utf8PathBuf,
}

impl Elsewhere {
    pub(super) fn start(home: &Home) -> Self {
        let directory = home.directory("elsewhere");
        let data = directory.join("data");
        let ready = kept("elsewhere", |made| initialize(home, made));
        done(Command::new("cp").args(["-a", ready.as_str(), data.as_str()]));
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("known")
            .port();
        let server = as_user(&format!("{DEBIAN}/bin/postgres"))
            .args([
                "-D",
                data.as_str(),
                "-k",
                directory.as_str(),
                "-p",
                &port.to_string(),
            ])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .spawn()
            .expect("started");
        let address = format!("postgresql://postgres:p%25ss%2Fword@127.0.0.1:{port}/postgres");
        eventually("it serves", || sql(&address, "select 1").is_ok());
        let elsewhere = Self {
            server,
            address,
            data,
        };
        sql(
            &elsewhere.address,
            "create role app login; create table t as select generate_series(1, 3000) as x, E'a\\tb\\n\\\\.' as y; \
             alter table t owner to app; create table empty (x int); create view v as select count(*) from t",
        )
        .expect("written");
        sql(&elsewhere.address, ROLES).expect("written");
        elsewhere
    }

    pub(super) fn dump(&self, home: &Home, format: &str, name: &str) {
        self.write(home, &["pg_dump", format], name);
    }

    pub(super) fn write(&self, home: &Home, words: &[&str], name: &str) {
        let file = fs::File::create(home.work().join(name)).expect("made");
        let status = Command::new(format!("{DEBIAN}/bin/{}", words[0]))
            .args(&words[1..])
            .args(["-d", &self.address])
            // pg_dumpall's own pg_dump has no address.
            .env("PGPASSWORD", "p%ss/word")
            .stdout(file.into_parts().0)
            .status();
        assert!(status.expect("started").success());
    }
}

/// Makes the cluster of such a server.
fn initialize(home: &Home, data: &Utf8Path) {
    let directory = home.directory("password");
    let password = directory.join("password");
    fs::write(&password, "p%ss/word\n").expect("written");
    fs::create_dir(data).expect("made");
    for given in [&directory, data] {
        home.give(given);
    }
    done(
        as_user(&format!("{DEBIAN}/bin/initdb"))
            .args([
                "-D",
                data.as_str(),
                "-U",
                "postgres",
                "-A",
                "scram-sha-256",
                "--no-sync",
            ])
            .arg(format!("--pwfile={password}")),
    );
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if let Ok(text) = fs::read_to_string(self.data.join("postmaster.pid"))
            && let Some(pid) = text.lines().next().and_then(|line| line.parse().ok())
        {
            crate::postgres_law::signal(pid, Signal::INT);
        }
        let _ = self.server.wait();
    }
}

pub(super) fn as_user(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(user) = run_as() {
        command.uid(user.uid).gid(user.gid);
    }
    command
}
