//! The configuration of docs/teams.md and the action of action.yml: the commands in them, run as a CI system would.

use std::{collections::BTreeMap, process::Command};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::Value;

use super::session::{from, registry};
use crate::support::{
    home::{Run, finish, program},
    person::{Person, Publisher, Who},
    programs,
    release::repository,
    world::write_program,
};

const PAGE: &str = "docs/teams.md";

/// The blocks of the page that a comment says are run here, each with the heading that it is under.
fn blocks() -> BTreeMap<String, String> {
    let text = fs::read_to_string(repository().join(PAGE)).expect("read");
    let mut found = BTreeMap::new();
    for section in text.split("\n## ").skip(1) {
        let heading = section.lines().next().expect("a line").to_owned();
        if let Some((_, rest)) = section.split_once("<!-- run by: tests/it/book/ci.rs -->\n```") {
            let (_, block) = rest.split_once('\n').expect("its first line");
            found.insert(heading, block.split("```").next().expect("its end").to_owned());
        }
    }
    found
}

/// The commands of a YAML file: what stands behind `run:`, and in the lists `script:` and `before_script:`.
pub(super) fn commands_of_yaml(text: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut commands = Vec::new();
    let mut list: Option<usize> = None;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let words = line.trim_start();
        let item = words.strip_prefix("- ");
        if list.is_some_and(|list| indent(line) <= list && item.is_none()) {
            list = None;
        }
        if ["script:", "before_script:"].contains(&words) {
            list = Some(indent(line));
            continue;
        }
        let value = match (item.unwrap_or(words).strip_prefix("run: "), item, list) {
            (Some(value), _, _) | (None, Some(value), Some(_)) => value,
            _ => continue,
        };
        if value != "|" {
            commands.push(value.to_owned());
            continue;
        }
        let mut block = String::new();
        while let Some(line) = lines.next_if(|next| next.trim().is_empty() || indent(next) > indent(line)) {
            block.push_str(line.trim_start());
            block.push('\n');
        }
        commands.push(block);
    }
    commands
}

/// The last command of a Dockerfile: what an image is made with before it is no matter of ours.
fn command_of_dockerfile(text: &str) -> String {
    let at = text.rfind("RUN ").expect("a command");
    text[at + "RUN ".len()..].to_owned()
}

/// A CI system's machine: an empty directory, a home of ampup's in it that is cached from job to job, and a `cargo` that wants a
/// database.
struct Agent {
    person: Person,
    publisher: Publisher,
    checkout: Utf8PathBuf,
}

impl Agent {
    fn new(who: Who) -> Self {
        let person = Person::new(who);
        let publisher = Publisher::new(&person);
        publisher.publish_now();
        write_program(
            &person.home.directory("stand-ins").join("cargo"),
            "#!/bin/sh\nset -eu\ntest -n \"$AMP_CONFIG_METADATA_DB__URL\"\necho \"cargo $*: $AMP_CONFIG_METADATA_DB__URL\"\n",
        );
        let checkout = person.home.directory("checkout");
        Self {
            person,
            publisher,
            checkout,
        }
    }

    fn home(&self) -> Utf8PathBuf {
        self.checkout.join(".ampup")
    }

    /// A step of a job.
    fn step(&self, script: &str, variables: &[(&str, &str)]) -> Run {
        let script = from(&self.publisher, script);
        let bash = programs::find("bash").expect("a part of every system");
        let arguments = ["--noprofile", "--norc", "-eo", "pipefail", "-c", &script];
        let mut command = self.person.command(&bash, &arguments);
        let stand_ins = self.person.home.directory("stand-ins");
        command
            .env("AMPUP_HOME", self.home())
            .env("AMPUP_REGISTRY", registry(&self.person))
            .env("CI", "true")
            .env("PATH", format!("{stand_ins}:/usr/local/bin:/usr/bin:/bin"))
            .envs(variables.iter().copied())
            .current_dir(&self.checkout);
        finish(command)
    }

    /// A job ran the tests, and no server of it is left.
    fn ran_the_tests(&self, run: Run) {
        run.exits(0).prints_with("cargo test: postgresql:///");
        assert!(!self.checkout.join(".amp/metadb/postmaster.pid").exists());
    }
}

/// The job of each CI system, one after the other with the same cached home, as root and as an ordinary user.
#[test]
fn the_configuration_of_each_ci_system_runs_a_projects_tests() {
    let blocks = blocks();
    let block = |heading: &str| {
        blocks
            .get(heading)
            .unwrap_or_else(|| panic!("{heading}: {blocks:?}"))
    };
    for who in Who::all() {
        let agent = Agent::new(who);
        the_action_and_a_workflow(&agent, block("GitHub Actions"));
        let project = [("CI_PROJECT_DIR", agent.checkout.as_str())];
        let gitlab = commands_of_yaml(block("GitLab CI")).join("\n");
        agent.ran_the_tests(agent.step(&gitlab, &project));
        let circle = commands_of_yaml(block("CircleCI")).join("\n");
        agent.ran_the_tests(agent.step(&circle.replace("~/.ampup", agent.home().as_str()), &[]));
        agent.ran_the_tests(agent.step(block("Jenkins, Buildkite, and anything else"), &[]));
        let image = command_of_dockerfile(block("Docker images"));
        agent.step(&image, &[]).exits(0);
        let pinned = command_of_dockerfile(block("Dev containers"));
        let pinned = pinned.replace("/tmp/project", agent.checkout.as_str());
        agent.step(&pinned, &[("PATH", &agent.path())]).exits(0);
    }
    assert_eq!(blocks.len(), 7, "each is run here: {blocks:#?}");
}

/// The job that looks for security fixes fails for those alone, and where `check` itself fails.
#[test]
fn the_job_of_security_fixes_fails_for_them_and_not_for_an_update() {
    if programs::find("jq").is_none() {
        return;
    }
    let agent = Agent::new(Who::Ordinary);
    let ampup = agent.person.home.directory("stand-ins").join("ampup");
    write_program(&ampup, format!("#!/bin/sh\nexec '{}' \"$@\"\n", program()));
    let block = blocks().remove("Security fixes").expect("a block");
    let [look] = &commands_of_yaml(&block)[..] else {
        panic!("one step behind the action: {block}");
    };
    let job = format!("ampup install\n{look}");
    let page = fs::read_to_string(repository().join(PAGE)).expect("read");
    let (_, strict) = page
        .split_once("A job that is to fail for that too has\n`")
        .expect("its line");
    let strict = strict.split('`').next().expect("its end");
    let (before, _) = look.trim_end().rsplit_once('\n').expect("two lines");
    let strict = format!("{before}\n{strict}");
    let manifest = |name: &str, change: fn(&mut Value)| {
        let text = fs::read_to_string(repository().join("registry/manifest.json")).expect("read");
        let mut manifest = serde_json::from_str(&text).expect("JSON");
        change(&mut manifest);
        let path = agent.person.home.directory("registries").join(name);
        fs::write(&path, manifest.to_string()).expect("written");
        path
    };
    let as_it_is = manifest("as-it-is.json", |_| {});
    let without_fixes = manifest("without-fixes.json", |manifest| {
        let postgres = &mut manifest["components"]["postgres"];
        for release in postgres["releases"].as_array_mut().expect("a list") {
            release.as_object_mut().expect("an object").remove("security");
        }
    });
    // An active version for which there is an update, and a pin of the same.
    let install = "ampup install postgres@18.4.0 && ampup install postgres";
    agent.step(install, &[]).exits(0);
    agent.pin("18.4.0");
    let run = |script: &str, registry: &Utf8Path, more: &[(&str, &str)]| {
        agent.step(script, &[&[("AMPUP_REGISTRY", registry.as_str())], more].concat())
    };
    run(&job, &as_it_is, &[]).exits(1).prints_with("false\n");
    run("ampup check", &without_fixes, &[]).exits(100);
    run(&job, &without_fixes, &[]).exits(0).prints_with("true\n");
    let offline = [("AMPUP_OFFLINE", "1")];
    run(look, &without_fixes, &offline).exits(0).prints_with("true\n");
    run(&strict, &without_fixes, &offline)
        .exits(1)
        .prints_with("false\n");
    let none = agent.checkout.join("none.json");
    let failed = run(look, &none, &[]);
    assert!(failed.code != 0 && !failed.stdout.contains("true"), "{failed:?}");
}

/// The inputs of the action, and the ref that a workflow names behind `@`.
struct Inputs {
    components: &'static str,
    directory: &'static str,
    locked: &'static str,
    reference: &'static str,
}

/// The action's own tag, as a workflow names it.
const TAG: &str = concat!("v", env!("CARGO_PKG_VERSION"));

impl Agent {
    /// Runs the action, whose last step may fail, and gives the version of ampup that it chose and that step.
    fn action(&self, inputs: &Inputs) -> (String, Run) {
        let notes = self.person.home.directory("notes");
        let file = |name: &str| notes.join(name).to_string();
        let releases = self.publisher.server.url();
        let mirror = if inputs.reference == TAG {
            format!("{releases}/download")
        } else {
            format!("{releases}/latest/download")
        };
        let [first, last] = steps_of_the_action();
        let variables = [
            ("COMPONENTS", inputs.components),
            ("VERSION", ""),
            ("REF", inputs.reference),
            ("GITHUB_ENV", &file("environment")),
            ("GITHUB_PATH", &file("path")),
            ("GITHUB_OUTPUT", &file("output")),
        ];
        self.step(&first, &variables).exits(0);
        let output = fs::read_to_string(file("output")).expect("written");
        let mut versions = output.lines().filter_map(|line| line.strip_prefix("version="));
        let version = versions.next_back().expect("a version").to_owned();
        let variables = [
            ("PATH", &*self.path()),
            ("COMPONENTS", inputs.components),
            ("LOCKED", inputs.locked),
            ("AMPUP_VERSION", &version),
            ("AMPUP_MIRROR", &mirror),
            ("GITHUB_ACTION_PATH", repository().as_str()),
        ];
        // The step's `working-directory`.
        let run = self.step(&format!("cd '{}'\n{last}", inputs.directory), &variables);
        (version, run)
    }

    /// PATH behind the action's first step, as the steps that follow have it.
    fn path(&self) -> String {
        let added = fs::read_to_string(self.person.home.directory("notes").join("path")).expect("written");
        let first = added.lines().next().expect("a line");
        format!(
            "{first}:{}:/usr/bin:/bin",
            self.person.home.directory("stand-ins")
        )
    }

    /// The project pins this version of PostgreSQL.
    fn pin(&self, version: &str) {
        let write = format!("printf '[components]\\npostgres = \"{version}\"\\n' > ampup.toml");
        self.step(&write, &[]).exits(0);
    }
}

/// The action installs what the workflow names or the project pins, puts it on PATH, and does the same with a cached home.
fn the_action_and_a_workflow(agent: &Agent, workflow: &str) {
    assert!(workflow.contains("locked: true"), "{workflow}");
    let locked = Inputs {
        components: "",
        directory: ".",
        locked: "true",
        reference: "main",
    };
    agent.pin("18");
    let (_, open) = agent.action(&locked);
    open.exits(2).says("leaves `postgres@18` open");
    agent.pin("18.4.0");
    for reference in ["main", TAG] {
        let (version, run) = agent.action(&Inputs { reference, ..locked });
        run.exits(0);
        assert_eq!(version, if reference == TAG { TAG } else { "latest" });
    }
    agent
        .step("mkdir services && cp ampup.toml services", &[])
        .exits(0);
    agent.pin("18");
    let below = Inputs {
        directory: "services",
        ..locked
    };
    agent.action(&below).1.exits(0);
    agent.pin("18.4.0");
    let on_two_lines = Inputs {
        components: "postgres@18\nnonesuch\n",
        locked: "false",
        ..locked
    };
    agent.action(&on_two_lines).1.exits(3).says("nonesuch");

    let notes = agent.person.home.directory("notes");
    let read = |name: &str| fs::read_to_string(notes.join(name)).expect("written");
    let home = agent.home();
    assert!(read("environment").contains(&format!("AMPUP_HOME={home}\n")));
    assert!(read("output").contains("key="));
    let test = commands_of_yaml(workflow).join("\n");
    agent.ran_the_tests(agent.step(&test, &[("PATH", &agent.path())]));
}

/// The steps of action.yml that are shell.
fn steps_of_the_action() -> [String; 2] {
    let text = fs::read_to_string(repository().join("action.yml")).expect("read");
    assert!(
        text.contains("working-directory: ${{ inputs.directory }}\n"),
        "{text}"
    );
    commands_of_yaml(&text).try_into().expect("two steps")
}

#[test]
fn the_actions_shell_is_without_a_lint() {
    let Some(shellcheck) = programs::find("shellcheck") else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    for (number, step) in steps_of_the_action().iter().enumerate() {
        let path = directory.path().join(format!("{number}.sh"));
        fs::write(&path, step).expect("written");
        let output = Command::new(&shellcheck)
            .args(["--shell", "bash"])
            .arg(&path)
            .output()
            .expect("started");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}
