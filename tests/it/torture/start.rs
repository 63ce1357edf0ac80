//! `db start` on a new project, cut and failing: at ampup's own calls, initdb's and the server's, whoever makes them. The
//! making of a cluster is thousands of calls that are all alike, and is sampled; the others, which put it in its place and
//! start it, are looked at more closely.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use nix::sys::signal::Signal;

use super::{
    oracle::leftovers,
    point::account,
    sweep::{all, points_at, sample, wrong_end},
    whole,
};
use crate::support::{
    database::Build,
    home::{Home, Run, finish},
    postgres::{run_as, sql},
    tracer::{Call, Deed, Traced, trace},
};

/// Names that may lie in an Amp directory. The last begins the name of an unfinished cluster, which the next start removes.
const NAMES: [&str; 10] = [
    ".gitignore",
    "data",
    "providers",
    "manifests",
    "log",
    "metadb",
    "metadb.lock",
    "metadb.users",
    "metadb.keep",
    UNFINISHED,
];
const UNFINISHED: &str = "metadb.new-";

/// A new project, whose database is stopped and whose files go with it.
struct Project<'a> {
    home: &'a Home,
    directory: Utf8PathBuf,
}

impl<'a> Project<'a> {
    fn new(home: &'a Home, name: &str) -> Self {
        let directory = home.directory(&format!("work/{name}"));
        Self { home, directory }
    }

    fn trace(&self, deed: Deed) -> Traced {
        let mut command = self.home.command_as_we_are(&["db", "start"]);
        command.current_dir(&self.directory);
        trace(&command, run_as().map(|user| (user.uid, user.gid)), deed)
    }

    fn db(&self, word: &str) -> Run {
        let mut command = self.home.command(&["db", word]);
        command.current_dir(&self.directory);
        finish(command)
    }

    fn amp(&self) -> Utf8PathBuf {
        self.directory.join(".amp")
    }

    /// The number that initdb gave the cluster; `None` where there is none yet, and an error where there is half of one.
    fn identity(&self) -> Result<Option<Vec<u8>>, String> {
        let cluster = self.amp().join("metadb");
        if fs::read_dir(&cluster).is_ok_and(|mut entries| entries.next().is_none()) || !cluster.exists() {
            return Ok(None);
        }
        let half = |what: &str| format!("half a cluster: {what}");
        let version = fs::read_to_string(cluster.join("PG_VERSION")).map_err(|_| half("no PG_VERSION"))?;
        let control =
            fs::read(cluster.join("global/pg_control")).map_err(|_| half("no global/pg_control"))?;
        let data = fs::read_link(cluster.join("data")).map_err(|_| half("no `data`"))?;
        if version.trim() != "18" || control.len() < 8 || data != Utf8Path::new(".") {
            return Err(half(&format!("{version:?}, {} bytes, {data:?}", control.len())));
        }
        Ok(Some(control[..8].to_vec()))
    }

    fn strange(&self, unfinished: bool) -> Vec<String> {
        let entries = fs::read_dir(self.amp()).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names
            .filter(|name| !(NAMES.contains(&name.as_str()) || unfinished && name.starts_with(UNFINISHED)))
            .collect()
    }
}

impl Drop for Project<'_> {
    fn drop(&mut self) {
        let _ = finish({
            let mut command = self.home.command(&["db", "stop"]);
            command.current_dir(&self.directory);
            command
        });
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Tries one point.
///
/// # Errors
/// When something is wrong.
fn attempt(home: &Home, deed: Deed, name: &str) -> Result<(), String> {
    let project = Project::new(home, name);
    let traced = project.trace(deed);
    let complain = |what: String| format!("db start, {deed:?}: {what}\n{}", account(&traced));
    let before = project.identity().map_err(complain)?;
    let strange = project.strange(true);
    if !strange.is_empty() {
        return Err(complain(format!("leftovers: {strange:?}")));
    }
    if let Some(what) = wrong_end(&traced, deed, before.is_some()) {
        return Err(complain(what));
    }
    // The fault gone, the next one serves: the cluster that was there, if one was.
    let again = project.db("start");
    if again.code != 0 {
        return Err(complain(format!("the next start fails: {again:#?}")));
    }
    let url = project.db("url");
    match sql(url.stdout.trim(), "select 40 + 2") {
        Ok(answer) if answer == "42" => {}
        answer => return Err(complain(format!("it does not serve: {answer:?}, {url:?}"))),
    }
    let after = project.identity().map_err(complain)?;
    if after.is_none() || before.is_some() && after != before {
        return Err(complain("the next start made another cluster".to_owned()));
    }
    let strange = project.strange(false);
    if !strange.is_empty() {
        return Err(complain(format!("not swept: {strange:?}")));
    }
    let stopped = project.db("stop");
    if stopped.code != 0 {
        return Err(complain(format!("it does not stop: {stopped:#?}")));
    }
    Ok(())
}

/// Returns true if a call belongs to the filling of a new cluster.
fn is_filling(call: &Call) -> bool {
    call.text.contains("/metadb.new-") && call.name != "rename" && call.name != "syncfs"
}

fn sweep(what: &str, with_template: bool) {
    let home = Home::with_postgres(&[Build::Npm(18)]);
    if !with_template {
        fs::remove_dir_all(home.path().join("cache/templates")).expect("removed");
    }
    let (filling, other): (Vec<Call>, Vec<Call>) = {
        let project = Project::new(&home, "reference");
        let watched = project.trace(Deed::Watch);
        assert_eq!(watched.code, Some(0), "{watched:#?}");
        let counted = watched.calls.into_iter().filter(|call| call.number.is_some());
        counted.partition(is_filling)
    };
    assert!(
        filling.len() > 500 && other.len() > 20,
        "{} {}",
        filling.len(),
        other.len()
    );
    let kept = match (whole(), with_template) {
        (true, _) => vec![([15, 5, 30], &filling), ([40, 5, 60], &other)],
        (false, true) => vec![([1, 1, 1], &filling), ([1, 1, 2], &other)],
        // Each point runs initdb: what comes before and after it is tried with the template.
        (false, false) => vec![([1, 1, 1], &filling)],
    };
    let mut deeds: Vec<Deed> = Vec::new();
    for (kept, calls) in kept {
        let numbers: Vec<usize> = calls.iter().filter_map(|call| call.number).collect();
        for (some, kept) in points_at(&numbers, Signal::SIGTERM).into_iter().zip(kept) {
            deeds.extend(sample(some, kept));
        }
    }
    all(what, filling.len() + other.len(), &deeds, |deed, name| {
        attempt(&home, deed, name)
    });
    home.ampup(&["use", "postgres@18.4.0"]).exits(0);
    assert_eq!(leftovers(&home.path(), true), Vec::<Utf8PathBuf>::new());
    home.db(&["list"]).exits(0);
}

#[test]
fn a_database_start_on_a_new_project_is_whole_or_absent() {
    sweep("db start, from a template", true);
}

#[test]
fn a_database_start_without_a_template_is_whole_or_absent() {
    sweep("db start, with initdb", false);
}
