//! Which build is taken: the next one when one does not run here, is out of reach or is gone; none when bytes are wrong.

mod named;
mod record;

use fs_err as fs;
use serde_json::{Value, json};

use ampup::{
    distributions::{self, Distributions},
    domain::Digest,
};

use crate::support::home::{Home, TARGET, sha256};

/// A tar.gz of executable scripts in `bin/`, below `top/`.
fn archive(home: &Home, name: &str, scripts: &[(&str, &str)]) -> Value {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    for (program, script) in scripts {
        let mut header = tar::Header::new_gnu();
        header.set_size(script.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, format!("top/bin/{program}"), script.as_bytes())
            .expect("appended");
    }
    let bytes = tar
        .into_inner()
        .and_then(flate2::write::GzEncoder::finish)
        .expect("finished");
    let path = home.directory("archives").join(format!("{name}.tar.gz"));
    fs::write(&path, &bytes).expect("written");
    json!({
        "target": TARGET, "provider": name, "format": "tar.gz", "root": "top",
        "source": {"kind": "file", "url": format!("file://{path}")},
        "integrity": {"kind": "pinned", "digest": sha256(&bytes)},
    })
}

const LOADER: &str = "#!/bin/sh\necho \"$0: error while loading shared libraries: libxml2.so.2: cannot open shared object file: No such \
     file or directory\" >&2\nexit 127\n";

#[test]
fn a_build_that_does_not_run_here_is_passed_over_with_the_package_that_it_lacks() {
    let mut home = Home::new();
    let broken = archive(&home, "theseus", &[("initdb", LOADER), ("postgres", LOADER)]);
    home.offer_artifacts("postgres", "18.4.0", &[broken, zonky_of("18.4.0")]);
    let run = home.ampup(&["install", "postgres"]).exits(0);
    let run = run
        .says("skipped the build by theseus")
        .says("libxml2.so.2")
        .says("built by zonky");
    let command = Distributions::built_in().install(["libxml2.so.2"], &distributions::os_release());
    assert!(run.stderr.contains(&command.unwrap_or_default()), "{run:#?}");
}

#[test]
fn when_no_build_runs_here_nothing_is_activated_and_the_code_is_1() {
    let mut home = Home::new();
    let broken = archive(&home, "theseus", &[("initdb", LOADER), ("postgres", LOADER)]);
    home.offer_artifacts("postgres", "18.4.0", &[broken]);
    let run = home
        .ampup(&["install", "postgres"])
        .exits(1)
        .says("error: could not install postgres");
    assert!(
        run.stderr.contains("hint: ") && run.stderr.contains("libxml2.so.2"),
        "{run:#?}"
    );
    // Whoever shows progress is told that the build is no longer tried.
    let run = home.ampup(&["--progress", "json", "install", "postgres"]);
    let last = run
        .stderr
        .lines()
        .rfind(|line| line.contains("\"event\":\"step\"") || line.contains("stopped\""));
    assert!(
        last.is_some_and(|line| line.contains("download-stopped")),
        "{run:#?}"
    );
    home.ampup(&["list"]).exits(0).prints("");
    assert!(!home.path().join("active").exists());
}

/// The one of the two that is out of reach would send both to a lower version.
#[test]
fn wrong_bytes_of_one_of_two_that_move_together_end_the_run() {
    let mut home = Home::new();
    home.offer("ampctl", "0.1.0").offer("ampd", "0.1.0");
    // The first in the plan is out of reach.
    let mut away = archive(&home, "away", &[("ampd", "#!/bin/sh\necho ampd 0.2.0\n")]);
    away["source"] = json!({"kind": "https", "url": "https://127.0.0.1:9/ampd"});
    let mut wrong = archive(&home, "wrong", &[("ampctl", "#!/bin/sh\necho ampctl 0.2.0\n")]);
    wrong["integrity"]["digest"] = json!(sha256(b"other bytes"));
    home.offer_artifacts("ampd", "0.2.0", &[away])
        .offer_artifacts("ampctl", "0.2.0", &[wrong]);
    home.ampup(&["install", "ampd"])
        .exits(4)
        .says("error: could not install ampctl v0.2.0");
    home.ampup(&["list"]).exits(0).prints("");
    // Without the wrong bytes both go there.
    home.withdraw("ampctl", "0.2.0");
    home.offer("ampctl", "0.2.0");
    home.ampup(&["install", "ampd"])
        .exits(0)
        .says("ampd v0.2.0 could not be installed; continuing with v0.1.0");
}

#[test]
fn wrong_bytes_decide_the_exit_code_of_several() {
    let mut home = Home::new();
    let mut away = archive(&home, "away", &[("one", "#!/bin/sh\necho one 1.0.0\n")]);
    away["source"] = json!({"kind": "https", "url": "https://127.0.0.1:9/one"});
    let mut wrong = archive(&home, "wrong", &[("two", "#!/bin/sh\necho two 1.0.0\n")]);
    wrong["integrity"]["digest"] = json!(sha256(b"other bytes"));
    home.offer_artifacts("one", "1.0.0", &[away])
        .offer_artifacts("two", "1.0.0", &[wrong]);
    home.ampup(&["install", "one", "two"])
        .exits(4)
        .says("error: could not install one")
        .says("error: could not install two");
}

/// A registry that knows this system's packages.
fn know_packages(home: &Home) {
    let text = fs::read(home.registry()).expect("read");
    let mut document: Value = serde_json::from_slice(&text).expect("JSON");
    let install = json!({"install": "get", "packages": {
        "libsurely-not-here.so.9": "surely9", "libsurely-neither.so.1": "neither1",
    }});
    let system = distributions::os_release();
    let id = system.lines().find_map(|line| line.strip_prefix("ID="));
    let id = id.unwrap_or("linux").trim_matches('"');
    document["distributions"] = json!({ id: install });
    fs::write(home.registry(), document.to_string()).expect("written");
}

/// On a slim image: what is taken instead is told with the command that would bring the better build, and where nothing
/// else is to be had, that command is the hint.
#[test]
fn a_build_that_lacks_a_library_is_told_with_the_command_that_brings_it() {
    let mut home = Home::new();
    let mut demanding = archive(&home, "theseus", &[("tool", "#!/bin/sh\necho tool 1.0.0\n")]);
    demanding["needs"] = json!({
        "libraries": ["libsurely-not-here.so.9"], "recommended": ["libsurely-neither.so.1", "libc.so.6"],
    });
    let modest = archive(&home, "zonky", &[("tool", "#!/bin/sh\necho tool 1.0.0\n")]);
    let mut away = modest.clone();
    away["source"] = json!({"kind": "https", "url": "https://127.0.0.1:9/tool"});

    home.offer_artifacts("tool", "1.0.0", &[demanding.clone(), away]);
    know_packages(&home);
    let lacking = "the build of tool 1.0.0 by theseus requires the library `libsurely-not-here.so.9`, which this host does not have";
    home.ampup(&["install", "tool"])
        .exits(5)
        .says("out of reach: `127.0.0.1:9`")
        .says(lacking)
        .says("hint: `get surely9 neither1`");

    home.withdraw("tool", "1.0.0");
    home.offer_artifacts("tool", "1.0.0", &[demanding, modest]);
    know_packages(&home);
    home.ampup(&["install", "tool"])
        .exits(0)
        .says("installed tool 1.0.0 (built by zonky)")
        .says(&format!("{lacking}: `get surely9 neither1`"));
    let again = home.ampup(&["install", "tool"]).exits(0);
    assert!(!again.stderr.contains("surely9"), "{again:#?}");

    // A release of the distribution that has it no longer.
    home.ampup(&["uninstall", "tool"]).exits(0);
    let text = fs::read_to_string(home.registry()).expect("read");
    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    for distribution in document["distributions"]
        .as_object_mut()
        .expect("one")
        .values_mut()
    {
        let id = distributions::os_release();
        let id = id
            .lines()
            .find_map(|line| line.strip_prefix("ID="))
            .unwrap_or_default();
        distribution["ended"] = json!({"libsurely-not-here.so.9": [format!("{} 0", id.trim_matches('"'))]});
    }
    fs::write(home.registry(), document.to_string()).expect("written");
    let ended = format!("{lacking}; its distribution has no `libsurely-not-here.so.9` any more");
    let run = home.ampup(&["install", "tool"]).exits(0).says(&ended);
    assert!(!run.stderr.contains("`get "), "{run:#?}");
    // Where nobody has another build either, that is told beside.
    for artifact in document["components"]["tool"]["releases"][0]["artifacts"]
        .as_array_mut()
        .expect("two")
    {
        artifact["source"] = json!({"kind": "https", "url": "https://127.0.0.1:9/tool"});
    }
    home.ampup(&["uninstall", "tool"]).exits(0);
    fs::write(home.registry(), document.to_string()).expect("written");
    home.ampup(&["install", "tool"]).exits(5).says(&ended);
    home.ampup(&["install", "tool@1.0.0+theseus"])
        .exits(1)
        .says("; its distribution has no `libsurely-not-here.so.9` any more")
        .says("hint: ask for another build; `ampup info tool` lists them");
}

/// Whatever sources an artifact has, a mirror has one copy of it.
#[test]
fn a_mirrors_wrong_copy_is_told_once() {
    let mut home = Home::new();
    let mut one = archive(&home, "acme", &[("tool", "#!/bin/sh\necho tool 1.0.0\n")]);
    one["source"] = json!({"kind": "https", "url": "https://127.0.0.1:9/one"});
    let mut other = one.clone();
    other["source"]["url"] = json!("https://127.0.0.1:9/other");
    let digest: Digest = one["integrity"]["digest"]
        .as_str()
        .expect("text")
        .parse()
        .expect("a digest");
    let mirror = home.directory("mirror");
    let blob = mirror.join(digest.blob());
    fs::create_dir_all(blob.parent().expect("a directory")).expect("made");
    fs::write(blob, "other bytes").expect("written");
    home.offer_artifacts("tool", "1.0.0", &[one, other]);
    let run = home
        .ampup(&["install", "tool", "--mirror", &format!("file://{mirror}")])
        .exits(4);
    let told = run
        .stderr
        .matches("\n  tool 1.0.0 by acme: the mirror's copy of")
        .count();
    assert_eq!(told, 1, "{run:#?}");
}

#[test]
fn what_the_host_certainly_lacks_is_not_fetched() {
    let mut home = Home::new();
    let mut demanding = archive(&home, "theseus", &[("tool", "#!/bin/sh\necho tool 1.0.0\n")]);
    demanding["needs"] = json!({"files": ["/surely/not/here"]});
    home.offer_artifacts("tool", "1.0.0", &[demanding]);
    home.ampup(&["install", "tool"])
        .exits(1)
        .says("requires `/surely/not/here`, which this host does not have");
}

#[test]
fn a_size_beyond_every_disk_is_refused_before_anything_is_fetched() {
    let mut home = Home::new();
    let mut large = archive(&home, "theseus", &[("tool", "#!/bin/sh\necho tool 1.0.0\n")]);
    large["size"] = json!(u64::MAX);
    home.offer_artifacts("tool", "1.0.0", &[large]);
    home.ampup(&["install", "tool"])
        .exits(7)
        .says("tool needs 17179869184.0 GiB");
}

#[test]
fn a_release_for_other_hosts_names_them() {
    let mut home = Home::new();
    let mut other = archive(&home, "theseus", &[("tool", "#!/bin/sh\necho tool 1.0.0\n")]);
    other["target"] = json!("x86_64-pc-windows-msvc");
    home.offer_artifacts("tool", "1.0.0", &[other]);
    home.ampup(&["install", "tool"])
        .exits(3)
        .says("it has builds for x86_64-pc-windows-msvc")
        .says(TARGET);
}

#[test]
fn what_is_unknown_to_this_ampup_is_skipped() {
    let mut home = Home::new();
    let good = archive(&home, "theseus", &[("tool", "#!/bin/sh\necho tool 1.0.0\n")]);
    let with = |key: &str, value: Value| {
        let mut artifact = good.clone();
        artifact[key] = value;
        artifact
    };
    let unknown = [
        with("format", json!("tar.zst")),
        with("target", json!("riscv64-unknown-linux-gnu")),
        with("source", json!({"kind": "carrier-pigeon", "ring": 7})),
        with("integrity", json!({"kind": "promised"})),
        with("integrity", json!(null)),
    ];
    home.offer_artifacts(
        "tool",
        "1.0.0",
        &[&unknown[..], std::slice::from_ref(&good)].concat(),
    );
    home.ampup(&["install", "tool"]).exits(0);
}

/// A project's own .npmrc decides nothing.
#[test]
fn a_hostile_npmrc_in_the_working_directory_is_ignored() {
    let home = Home::new();
    let hostile = "registry=http://127.0.0.1:9/\nignore-scripts=false\ncafile=/surely/not/here\n";
    fs::write(home.work().join(".npmrc"), hostile).expect("written");
    fs::write(home.work().join("package.json"), "{\"name\": \"trap\"}").expect("written");
    home.ampup(&["install", "postgres@18.4.0+zonky"])
        .exits(0)
        .says("installed postgres 18.4");
}

#[test]
fn several_components_are_installed_at_once_and_one_at_a_time() {
    for jobs in ["1", "4"] {
        let mut home = Home::new();
        for number in 0..6 {
            home.offer(&format!("tool{number}"), "1.0.0");
        }
        home.ampup(&["install", "--jobs", jobs]).exits(0);
        assert_eq!(home.ampup(&["list"]).exits(0).stdout.lines().count(), 6);
        assert_eq!(
            fs::read_dir(home.path().join("generations"))
                .expect("listed")
                .count(),
            1
        );
    }
}

#[test]
fn settings_come_after_the_environment_and_a_damaged_file_is_named() {
    let home = Home::new();
    fs::create_dir_all(home.path()).expect("made");
    fs::write(
        home.path().join("config.toml"),
        "registry = \"/surely/not/here\"\n",
    )
    .expect("written");
    home.ampup(&["check", "--json"]).exits(3);
    let mut other = Home::new();
    other.offer("tool", "1.0.0");
    home.ampup(&["--registry", other.registry().as_str(), "search", "tool"])
        .exits(0);
    fs::write(home.path().join("config.toml"), "jobs = \"many\"\n").expect("written");
    home.ampup(&["list"]).exits(2).says("config.toml").says("jobs");
}

/// zonky's build from npm, as the embedded registry has it.
fn zonky_of(version: &str) -> Value {
    let manifest: Value = serde_json::from_str(include_str!("../../registry/manifest.json")).expect("JSON");
    let releases = manifest["components"]["postgres"]["releases"]
        .as_array()
        .expect("releases")
        .clone();
    let release = releases
        .iter()
        .find(|release| release["version"] == version)
        .expect("a release");
    let artifacts = release["artifacts"].as_array().expect("artifacts");
    let from_npm = |artifact: &&Value| artifact["target"] == TARGET && artifact["source"]["kind"] == "npm";
    artifacts.iter().find(from_npm).expect("npm's").clone()
}

#[test]
fn a_major_that_a_projects_cluster_needs_stays() {
    let mut home = Home::new();
    home.offer_artifacts("postgres", "17.10.0", &[zonky_of("17.10.0")]);
    home.ampup(&["install", "postgres@17"]).exits(0);
    let project = home.directory("project/.amp/metadb");
    fs::write(project.join("PG_VERSION"), "17\n").expect("written");
    let amp_dir = project.parent().expect("the Amp directory");
    let known = json!({"schema": 1, "projects": [amp_dir]});
    fs::write(home.path().join("projects.json"), known.to_string()).expect("written");

    home.offer_artifacts("postgres", "18.4.0", &[zonky_of("18.4.0")]);
    home.ampup(&["update"])
        .exits(0)
        .says("postgres 17.10 is up to date")
        .says("--allow-major");
    let run = home
        .ampup(&["update", "--allow-major"])
        .exits(0)
        .says("installed postgres 18.4");
    run.says(&format!(
        "postgres 17.10 stays installed: it can serve the database of `{}`",
        home.shown(amp_dir.parent().expect("the project"))
    ));
    home.ampup(&["list"])
        .exits(0)
        .prints("postgres 18.4  (active)\npostgres 17.10\n");
    home.ampup(&["use", "postgres@17"]).exits(0);
    home.ampup(&["update"]).exits(0).says(
        "postgres 18.4 is another major version than the active one; it is installed, and `ampup use postgres@18` \
         activates it\n",
    );
    home.ampup(&["use", "postgres@18"]).exits(0);

    // All who need it are named, however it goes.
    let second = home.directory("second/.amp/metadb");
    fs::write(second.join("PG_VERSION"), "17\n").expect("written");
    let old = amp_dir.join("metadb.old-20260101T000000Z");
    fs::create_dir(&old).expect("made");
    fs::write(old.join("PG_VERSION"), "17\n").expect("written");
    let known = json!({"schema": 1, "projects": [amp_dir, second.parent()]});
    fs::write(home.path().join("projects.json"), known.to_string()).expect("written");
    let all = format!(
        "the last one that can serve the databases of 2 projects: `{}`, `{}`, and that can read the old database `{}` (for `ampup db restore`)\n",
        home.shown(amp_dir.parent().expect("the project")),
        home.shown(&home.directory("second")),
        home.shown(&old)
    );
    // Of several, it is the one that stays.
    let trees = home.path().join("components/postgres");
    let (from, to) = (trees.join("17.10.0"), trees.join("17.9.0"));
    crate::support::postgres::done(std::process::Command::new("cp").args(["-a", from.as_str(), to.as_str()]));
    home.ampup(&["prune", "postgres"])
        .exits(0)
        .says(&format!("kept: postgres 17.10 is {all}"))
        .says("removed postgres 17.9");
    let before = home.store();
    home.ampup(&["uninstall", "postgres@17"])
        .exits(6)
        .says(&format!("postgres 17.10 is {all}"))
        .says("--force`, if none of them is needed any more");
    let force = ["uninstall", "postgres@17", "--force"];
    home.ampup(&[&force[..], &["--dry-run"]].concat())
        .exits(0)
        .says(&format!("postgres 17.10 is {all}"));
    record::a_damaged_one_disarms_no_guard(&home);
    assert_eq!(home.store(), before);
    home.ampup(&force)
        .exits(0)
        .says(&format!("postgres 17.10 was {all}"));
    home.ampup(&["list"]).exits(0).prints("postgres 18.4 (active)\n");
}
