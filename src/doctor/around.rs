//! Checks of what surrounds the home: PATH, the user, the project here, and variables that other programs read.

use camino::{Utf8Path, Utf8PathBuf};
use is_executable::is_executable;

use super::{Advice, Finding};
use crate::{
    domain::component::Acceptance,
    env::Env,
    fs::{entries, link},
    hindrance::{self, Hindrance},
    layout::Layout,
    locate::Locator,
    postgres::{
        Cluster,
        enclosing::{self, Surprise},
        observe::{decide::Contents, files},
        user::{OsUser, current_uid},
    },
};

/// The socket of a project's server, as ampd puts it.
const SOCKET: &str = "/metadb/.s.PGSQL.5432";
/// The longest path of a socket, in bytes (`sockaddr_un` with its terminator).
const LONGEST: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Checks that a shell finds the active programs, and finds them first. Where the home is not whole, links that lead nowhere were
/// told.
pub(super) fn search_path(layout: &Layout, env: &Env, is_whole: bool) -> Vec<Finding> {
    let bin = layout.bin();
    let path = env.search_path();
    let programs = programs(&bin);
    if programs.is_empty() {
        return Vec::new();
    }
    if !path.iter().any(|entry| is_same(entry, &bin)) {
        let text = format!("`{bin}` is not on PATH, so shells and ampd do not find what is in it");
        let file = layout.home().join("env");
        let remedy = if file.is_file() {
            format!("`. {file}`, and open new terminals")
        } else {
            format!("`export PATH=\"{bin}:$PATH\"`")
        };
        return vec![Finding::warning("PATH", text, remedy)];
    }
    let mut findings = Vec::new();
    for program in &programs {
        if !is_executable(bin.join(program)) {
            let finding = Finding::warning(
                "PATH",
                format!("`{bin}/{program}` leads to no program: plain `ampd solo` does not find it"),
                "`ampup verify --repair` repairs what can be repaired",
            );
            findings.extend(is_whole.then_some(finding));
            continue;
        }
        let first = path
            .iter()
            .map(|entry| (entry, entry.join(program)))
            .find(|(_, file)| is_executable(file));
        // `ampup run` puts a version's own programs first.
        let is_ours = |entry: &Utf8Path| is_same(entry, &bin) || is_within(entry, &layout.components());
        if let Some((entry, file)) = first.filter(|(entry, _)| !is_ours(entry)) {
            findings.push(Finding::warning(
                "PATH",
                format!("`{file}` comes before ampup's `{program}`: plain `ampd solo` takes that"),
                format!("put `{bin}` before `{entry}` on PATH"),
            ));
        }
    }
    let older = |entry: &&Utf8PathBuf| entry.ends_with(".amp/bin") && entry.join("ampup").is_file();
    if let Some(entry) = path.iter().find(older) {
        findings.push(Finding::note(
            "PATH",
            format!("`{entry}` is that of ampup 0.1"),
            "remove it from PATH once nothing of it is needed",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::fine(
            "PATH",
            format!("`{bin}` comes first, for {}", programs.join(", ")),
        ));
    }
    findings
}

fn programs(bin: &Utf8Path) -> Vec<String> {
    entries(bin)
        .iter()
        .filter_map(|entry| entry.file_name().map(str::to_owned))
        .collect()
}

/// Returns true if two directories are the same, also through links.
fn is_same(one: &Utf8Path, other: &Utf8Path) -> bool {
    one == other || matches!((link::real(one), link::real(other)), (Ok(one), Ok(other)) if one == other)
}

/// Returns true if a directory lies in another, also through links.
fn is_within(one: &Utf8Path, other: &Utf8Path) -> bool {
    matches!((link::real(one), link::real(other)), (Ok(one), Ok(other)) if one.starts_with(&other))
}

/// Looks for hindrances of this host, and for the user whom PostgreSQL is run as.
pub(super) fn host(layout: &Layout, env: &Env, advice: Advice) -> Vec<Finding> {
    let place = layout.staging();
    let place = place.ancestors().find(|path| path.is_dir()).unwrap_or(&place);
    let mut found = hindrance::seen(place, Acceptance::Postgres);
    // A link in its place leads to what is not ours: nothing is tried there.
    let is_ours = place.symlink_metadata().is_ok_and(|found| found.is_dir());
    if place == layout.staging() && is_ours {
        found.extend(hindrance::tried(place, Acceptance::Postgres));
    }
    let mut findings: Vec<Finding> = found.iter().map(|found| problem(found, advice)).collect();
    let text = match OsUser::for_postgres() {
        Ok(None) => Some(format!("user {} can run PostgreSQL", current_uid())),
        Ok(Some(user)) => in_place_of_root(user, layout, env).map(|user| {
            format!(
                "you are root, whom PostgreSQL refuses: ampup runs it as `{}`",
                user.name
            )
        }),
        // A hindrance.
        Err(_) => None,
    };
    findings.extend(text.map(|text| Finding::fine("user", text)));
    findings
}

/// The user whom the server of the project here runs as; `usual` where there is no project, and none where the database says
/// why nobody can.
fn in_place_of_root(usual: OsUser, layout: &Layout, env: &Env) -> Option<OsUser> {
    match enclosing::find(env, None) {
        Ok((project, _)) => Cluster::open(project, Locator::new(layout.home()), env)
            .run_as(None)
            .ok()?,
        Err(_) => Some(usual),
    }
}

fn problem(hindrance: &Hindrance, advice: Advice) -> Finding {
    let about = match hindrance {
        Hindrance::User(_) => "user",
        _ => "host",
    };
    let cause = std::error::Error::source(hindrance).map(|cause| format!(": {cause}"));
    // As every other error is told.
    let cause = cause.unwrap_or_default();
    let cause = cause.split(" (os error ").next().unwrap_or_default();
    let text = format!("{hindrance}{cause}");
    Finding::problem(
        about,
        text,
        (advice.on_host)(hindrance).unwrap_or_else(|| "ask who looks after this host".to_owned()),
    )
}

/// The Amp directory here, as ampd finds it.
pub(super) fn amp_dir(env: &Env) -> Option<Utf8PathBuf> {
    let here = env.current_dir()?;
    Some(here.join(env.var("AMP_DIR").unwrap_or(".amp")))
}

/// The project here: AMP_DIR, else `.amp` in the working directory, as ampd finds it; else that of a directory above, which
/// ampd does not find.
pub(super) fn project(env: &Env) -> Vec<Finding> {
    let mut findings = Vec::new();
    // One that names no project is told with the database.
    if env.path("AMP_DIR").is_err() {
        return findings;
    }
    let here = env.current_dir();
    let amp_dir = match (env.var("AMP_DIR"), here) {
        (Some(named), here) => {
            findings.push(Finding::note(
                "AMP_DIR",
                format!("set to `{named}`: ampup and ampd use that project, wherever they are started"),
                "`unset AMP_DIR`",
            ));
            here.map_or_else(|| Utf8PathBuf::from(named), |here| here.join(named))
        }
        (None, Some(here)) => match enclosing::find(env, None) {
            Ok((project, Some(Surprise::Above))) => {
                findings.push(Finding::note(
                    "project",
                    format!(
                        "`ampup run` and `ampup db` use the project in `{}`; plain `ampd solo` would begin another in `{here}`",
                        project.directory()
                    ),
                    "`ampup run ampd solo`",
                ));
                project.amp_dir().to_owned()
            }
            Ok(_) | Err(_) => here.join(".amp"),
        },
        (None, None) => return findings,
    };
    let evidence = ["versions", "bin/ampup"]
        .into_iter()
        .find(|name| amp_dir.join(name).exists());
    if let Some(evidence) = evidence {
        findings.push(Finding::problem(
            "project",
            format!("`{amp_dir}` holds `{evidence}`: it is the home of ampup 0.1, not a project's directory"),
            "work in another directory, and keep projects out of it: whoever removes it removes their database",
        ));
    } else if env.var("AMP_DIR").is_none()
        && let (Some(here), Some(home)) = (here, env.user_home())
        && is_same(here, home)
    {
        findings.push(Finding::note(
            "project",
            format!("a project here would have its database in `{amp_dir}`, in your home directory"),
            "work in a directory of the project's own",
        ));
    }
    let cluster = amp_dir.join("metadb");
    if let Some(unfinished) = files::unfinished(&cluster) {
        findings.push(Finding::warning(
            "project",
            format!("`{cluster}` {unfinished}: plain `ampd solo` cannot use it"),
            format!("`ampup run ampd solo`, or {}", files::MAKES_AGAIN),
        ));
    } else if let Ok(Contents::Cluster { .. }) = files::look(&cluster)
        && let Some(lost) = files::lost(&cluster)
    {
        findings.push(Finding::warning(
            "project",
            format!("`{cluster}` {lost}: plain `ampd solo` cannot use it"),
            "`ampup run ampd solo`, or `ampup db start` once, which makes them",
        ));
    }
    let real = link::real(&amp_dir).unwrap_or(amp_dir);
    let length = real.as_str().len() + SOCKET.len();
    if length > LONGEST {
        findings.push(Finding::warning(
            "project",
            format!(
                "`{real}{SOCKET}` has {length} bytes, and a socket's path at most {LONGEST}: plain `ampd solo` cannot use it"
            ),
            "`ampup run ampd solo`, which puts the socket elsewhere, or move the project",
        ));
    } else if real.as_str().contains(',') {
        findings.push(Finding::warning(
            "project",
            format!("`{real}` has a comma, which ends the path of a socket: plain `ampd solo` cannot use it"),
            "`ampup run ampd solo`, which puts the socket elsewhere, or move the project",
        ));
    }
    findings
}

/// Variables that make plain ampd, or the PostgreSQL that it starts, do something else. `ampup run` clears them.
pub(super) fn variables(env: &Env) -> Vec<Finding> {
    /// A variable, which values of it hurt, and why.
    type Pitfall = (&'static str, fn(&str) -> bool, &'static str);
    let pitfalls: [Pitfall; 4] = [
        (
            "PGPORT",
            |value| value != "5432",
            "ampd waits for port 5432, and PostgreSQL takes this one",
        ),
        (
            "PGUSER",
            // ampd's client sends an empty name, too.
            |value| OsUser::current().is_ok_and(|user| user.name != value),
            "ampd connects as this user, whom its cluster does not have",
        ),
        (
            "PGSSLMODE",
            // ampd's client takes them in any letters.
            |value| {
                ["require", "verify-ca", "verify-full"]
                    .iter()
                    .any(|mode| value.eq_ignore_ascii_case(mode))
            },
            "ampd's cluster has no TLS",
        ),
        (
            "AMP_CONFIG_METADATA_DB__URL",
            str::is_empty,
            "ampd takes the empty value for an address",
        ),
    ];
    env.variables()
        .filter_map(|(name, value)| {
            let value = value.to_str()?;
            let (name, _, why) = pitfalls
                .iter()
                .find(|(pitfall, hurts, _)| name == *pitfall && hurts(value))?;
            let text = format!("it is set to `{}`: {why}", value.escape_debug());
            Some(Finding::warning(
                name,
                text,
                format!("`unset {name}`, or `ampup run ampd solo`"),
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::{doctor::Level, env::HOME};

    #[test]
    fn variables_that_hurt_are_named() {
        let env = |pairs: &[(&str, &str)]| Env::from_variables(pairs.iter().copied(), "/");
        assert!(variables(&env(&[("PGPORT", "5432"), ("PGSSLMODE", "prefer")])).is_empty());
        let findings = variables(&env(&[
            ("PGPORT", "5433"),
            ("PGUSER", "x"),
            ("PGSSLMODE", "require"),
        ]));
        assert_eq!(findings.len(), 3);
        assert!(findings.iter().all(|finding| finding.level == Level::Warning));
        let findings = variables(&env(&[("PGUSER", ""), ("PGSSLMODE", "Verify-Full")]));
        assert_eq!(findings.len(), 2, "{findings:#?}");
    }

    #[cfg(unix)]
    #[test]
    fn another_program_of_that_name_and_a_link_to_nowhere_are_named_and_ampups_own_trees_are_not() {
        use std::os::unix::fs::PermissionsExt as _;

        use fs_err as fs;

        let world = tempfile::tempdir().expect("a directory");
        let world = Utf8Path::from_path(world.path()).expect("UTF-8");
        let layout = Layout::new(world.join("home"));
        let tree = layout.components().join("postgres/18.6.0/bin");
        let other = world.join("other");
        for directory in [&tree, &other, &layout.bin()] {
            fs::create_dir_all(directory).expect("made");
            let file = directory.join("postgres");
            fs::write(&file, "#!/bin/sh\n").expect("written");
            fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("set");
        }
        let said = |first: &Utf8Path| {
            let path = format!("{first}:{}", layout.bin());
            let findings = search_path(
                &layout,
                &Env::from_variables([("PATH", path.as_str())], "/"),
                true,
            );
            let warnings = findings
                .into_iter()
                .filter(|finding| finding.level == Level::Warning);
            warnings.map(|finding| finding.text).collect::<Vec<_>>()
        };
        assert_eq!(said(&tree), [""; 0]);
        assert!(matches!(&said(&other)[..], [one] if one.contains("comes before ampup's")));
        fs::remove_file(layout.bin().join("postgres")).expect("removed");
        link::executable(&tree.join("gone"), &layout.bin().join("postgres")).expect("linked");
        assert!(matches!(&said(&world.join("nowhere"))[..], [one] if one.contains("leads to no program")));
    }

    #[test]
    fn a_long_or_shared_project_is_named() {
        let long = format!("/{}", "a".repeat(100));
        let findings = project(&Env::from_variables([(HOME, "/u")], &long));
        assert!(matches!(&findings[..], [one] if one.level == Level::Warning && one.text.contains("bytes")));
        let findings = project(&Env::from_variables([(HOME, "/u"), ("AMP_DIR", "/p")], "/w"));
        assert!(matches!(&findings[..], [one] if one.about == "AMP_DIR"));
        assert_eq!(project(&Env::from_variables([(HOME, "/u")], "/u")).len(), 1);
        assert!(project(&Env::from_variables([(HOME, "/u")], "/w")).is_empty());
    }
}
