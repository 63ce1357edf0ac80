//! Diagnosis of a home, its content and its surroundings; each problem comes with its remedy. Reads, and changes
//! nothing.

mod ampd_settings;
mod around;
pub(crate) mod client_rules;
pub(crate) mod complaint;
mod file_system;
pub(crate) mod installed;
pub(crate) mod lost_files;
pub(crate) mod named_settings;
#[cfg(unix)]
pub(crate) mod owners;
mod ports;
pub(crate) mod recovery;
#[cfg(unix)]
pub(crate) mod rehearsal;
#[cfg(unix)]
mod scratch;
#[cfg(unix)]
mod trial;
#[cfg(unix)]
mod watchdog;

#[cfg(unix)]
pub use self::scratch::abandoned as abandoned_trials;
use camino::Utf8PathBuf;
use jiff::Timestamp;
use semver::Version;

#[cfg(unix)]
use crate::children::Interrupt;
use crate::{
    domain::{Component, Inventory},
    env::Env,
    event::sized_down,
    fs::{identity::FileIdentity, link, lock::Lock, reason, space},
    hindrance::Hindrance,
    host,
    layout::Layout,
    postgres::{access::AccessError, user::current_uid},
    registry::{
        Registry,
        concern::{self, Concern},
        keys::{Keyring, RegistryOrigin},
        trust,
    },
    store::{self, directories, links},
};

/// Less room than this is too little for another PostgreSQL (22 MiB to fetch, 63 MiB unpacked, 40 MiB for its proof).
const LITTLE_ROOM: u64 = 256 << 20;

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The subject of the check, in a word.
    pub about: &'static str,
    /// The severity.
    pub level: Level,
    /// The finding, in words.
    pub text: String,
    /// The remedy, if there is one.
    pub remedy: Option<String>,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Fine,
    /// Good to know.
    Note,
    /// It stops plain `ampd solo` and not `ampup run ampd solo`, or a known vulnerability stays open.
    Warning,
    /// It stops `ampup run ampd solo`, or the home is damaged.
    Problem,
}

impl Finding {
    /// A check that found nothing.
    pub fn fine(about: &'static str, text: impl Into<String>) -> Self {
        Self {
            about,
            level: Level::Fine,
            text: text.into(),
            remedy: None,
        }
    }

    /// Something to know, which stops nothing.
    pub fn note(about: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            about,
            level: Level::Note,
            text: text.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// Something that `ampup run ampd solo` works in spite of.
    pub fn warning(about: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            ..Self::note(about, text, remedy)
        }
    }

    /// Something that needs mending.
    pub fn problem(about: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            level: Level::Problem,
            ..Self::note(about, text, remedy)
        }
    }
}

/// The registry in use.
#[derive(Debug, Clone, Copy)]
pub struct InUse<'a> {
    /// The registry itself.
    pub registry: &'a Registry,
    /// True if it was fetched.
    pub is_fetched: bool,
    /// The file that the user named in its place.
    pub named: Option<&'a Utf8PathBuf>,
}

/// The next command to type for an error that is a finding.
#[derive(Debug, Clone, Copy)]
pub struct Advice {
    /// On a host that no build can run on.
    pub on_host: fn(&Hindrance) -> Option<String>,
    /// On a directory that a server cannot use.
    pub on_access: fn(&AccessError) -> Option<String>,
}

/// Looks at the home, the host, and the place of the project.
pub fn examine(
    layout: &Layout,
    env: &Env,
    registry: Option<InUse<'_>>,
    origin: &RegistryOrigin,
    now: Timestamp,
    advice: Advice,
) -> Vec<Finding> {
    let mut findings = vec![home(layout)];
    if layout.home().is_dir() {
        findings.extend(room(layout));
    }
    if layout.home().read_dir_utf8().is_ok() {
        findings.extend(locks(layout));
        findings.extend(home_links(layout));
        match store::inventory::read(layout) {
            Ok(inventory) => {
                findings.extend(installed::findings(&inventory, layout));
                if let Some(in_use) = registry {
                    findings.extend(concerns(&inventory, in_use.registry, now));
                }
            }
            Err(why) => findings.push(Finding::problem(
                "components",
                format!("what is installed cannot be read: {why}"),
                "`ampup verify --repair` repairs what can be repaired",
            )),
        }
        // Links that are broken, and versions that are gone, explain why a program is not found.
        let is_whole = findings.iter().all(|finding| finding.level < Level::Problem);
        findings.extend(around::search_path(layout, env, is_whole));
    }
    findings.extend(registry.map(|registry| registry_in_use(registry, &origin.keyring, now)));
    findings.extend(around::host(layout, env, advice));
    findings.extend(around::project(env));
    if let Some(amp_dir) = around::amp_dir(env) {
        findings.extend(file_system::check(&amp_dir, layout, env, advice));
        findings.extend(ampd_settings::check(&amp_dir, env));
        findings.extend(ports::check(&amp_dir, env));
    }
    findings.extend(around::variables(env));
    findings
}

/// Tries ampd's own command lines, unless what was found already explains what that would find.
#[cfg(unix)]
pub fn try_out(layout: &Layout, env: &Env, found: &[Finding], interrupt: &Interrupt) -> Vec<Finding> {
    let is_explained = found.iter().any(explains_a_failure) || !around::variables(env).is_empty();
    match around::amp_dir(env).filter(|_| !is_explained) {
        Some(amp_dir) => trial::check(&amp_dir, layout, env, interrupt),
        None => Vec::new(),
    }
}

/// Returns true if PostgreSQL's programs would stumble over it.
#[cfg(unix)]
fn explains_a_failure(finding: &Finding) -> bool {
    let subjects = ["PATH", "components", "host", "project", "space", "user"];
    finding.level >= Level::Warning && subjects.contains(&finding.about)
}

fn home(layout: &Layout) -> Finding {
    let home = layout.home();
    match home.metadata() {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound && home.is_symlink() => {
            let target = link::read(home)
                .map(|target| format!(" to `{target}`"))
                .unwrap_or_default();
            Finding::problem(
                "home",
                format!("`{home}` is a link{target}, which does not exist"),
                "make that directory, or remove the link",
            )
        }
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Finding::note(
            "home",
            format!("`{home}` does not exist: nothing is installed"),
            "`ampup install`",
        ),
        Err(cause) => Finding::problem(
            "home",
            format!("`{home}` cannot be looked at: {}", reason(&cause)),
            "choose another with `AMPUP_HOME`",
        ),
        Ok(metadata) if !metadata.is_dir() => Finding::problem(
            "home",
            format!("`{home}` is not a directory"),
            "choose another with `AMPUP_HOME`",
        ),
        Ok(_) if home.read_dir_utf8().is_err() => closed(layout),
        Ok(_) => match directories::ensure_writable(layout) {
            Ok(()) => Finding::fine("home", format!("`{home}`")),
            Err(why) => Finding::note(
                "home",
                format!("{why}: you can use what is in it, but not install anything"),
                match why.kind() {
                    std::io::ErrorKind::PermissionDenied => {
                        "to install as its owner, `ampup install`; or choose another home with `AMPUP_HOME`"
                    }
                    _ => "to install, choose another home with `AMPUP_HOME`",
                },
            ),
        },
    }
}

/// A home that cannot be read.
fn closed(layout: &Layout) -> Finding {
    let home = layout.home();
    let text = match directories::ensure_writable(layout) {
        Err(why) => format!("{why}; nor can it be read"),
        Ok(()) => format!("`{home}` cannot be read"),
    };
    let is_ours = FileIdentity::of(home).is_ok_and(|found| found.uid == current_uid());
    let remedy = if is_ours {
        format!("`chmod u+rwx {home}`")
    } else {
        "choose another with `AMPUP_HOME`, or ask its owner to open it: `chmod a+rX`".to_owned()
    };
    Finding::problem("home", text, remedy)
}

fn room(layout: &Layout) -> Option<Finding> {
    let free = space::free(layout.home()).ok()??;
    let text = format!("{} are free in `{}`", sized_down(free), layout.home());
    Some(if free < LITTLE_ROOM {
        Finding::note(
            "space",
            format!("{text}, too little for another PostgreSQL"),
            "`ampup prune --dry-run` shows what could be removed",
        )
    } else {
        Finding::fine("space", text)
    })
}

/// Checks that the file system of the home has locks. If `locks/` does not exist yet, the first command that writes says
/// so.
fn locks(layout: &Layout) -> Option<Finding> {
    if !layout.store_lock().is_file() || directories::foreign_entry(&layout.locks(), layout).is_some() {
        return None;
    }
    Some(match Lock::try_acquire(&layout.store_lock()) {
        Ok(Some(lock)) => match lock.warning() {
            Some(warning) => Finding::note(
                "locks",
                warning,
                "choose a home on a local file system with `AMPUP_HOME`",
            ),
            None => Finding::fine("locks", "the file system of the home supports locks"),
        },
        Ok(None) => Finding::fine("locks", "another ampup is at work"),
        // A home of somebody else's is read without locks.
        Err(_) => return None,
    })
}

fn home_links(layout: &Layout) -> Vec<Finding> {
    let faults = links::faults(layout);
    if faults.is_empty() {
        return vec![Finding::fine("links", "every link in the home is intact")];
    }
    let finding = |fault: links::Fault| {
        Finding::problem(
            "links",
            fault.to_string(),
            fault
                .by_hand
                .unwrap_or_else(|| "`ampup verify --repair` repairs what can be repaired".to_owned()),
        )
    };
    faults.into_iter().map(finding).collect()
}

/// Lists the concerns about installed versions: vulnerabilities, requests that hold a newer version back, releases that
/// nobody has built yet.
fn concerns(inventory: &Inventory, registry: &Registry, now: Timestamp) -> Vec<Finding> {
    let today = now.strftime("%Y-%m-%d").to_string();
    let mut findings = Vec::new();
    for (name, tree) in &inventory.active.components {
        let (Some(component), Some(origin)) = (
            registry.component(name),
            inventory.tree(name, tree).and_then(|tree| tree.origin.as_ref()),
        ) else {
            continue;
        };
        let held_back = held_back(component, &origin.version, inventory);
        let lets_go = fix_of_active(component, &origin.version, inventory);
        for concern in concern::of_version(component, &origin.version, &today) {
            findings.push(match &concern {
                Concern::Behind { .. } => Finding::warning("security", concern.to_string(), lets_go.clone()),
                Concern::EndOfLife { remedy, .. } => {
                    Finding::warning("security", concern.to_string(), remedy.clone())
                }
                // It says itself what tells of it.
                Concern::HeldBack { .. } | Concern::Unbuilt { .. } => Finding {
                    remedy: None,
                    ..Finding::note("releases", concern.to_string(), "")
                },
            });
        }
        if let Some(Concern::HeldBack { shown, by, .. }) = &held_back {
            let text = format!("{name} {shown} is available, but you asked for `{by}`");
            findings.push(Finding::note("releases", text, lets_go.clone()));
        }
    }
    findings
}

/// The commands that bring the newest release that takes the place of the active version of a component.
pub fn fix_of_active(component: &Component, version: &Version, inventory: &Inventory) -> String {
    let name = &component.name;
    match (
        installed_fix(component, version, inventory),
        held_back(component, version, inventory),
    ) {
        (Some(shown), _) => format!("`ampup use {name}@{shown}`, which is installed"),
        (None, Some(Concern::HeldBack { remedy, .. })) => {
            format!("{remedy}, then `ampup update {name}`")
        }
        (None, _) => {
            format!(
                "`ampup update {name}` (`ampup check {name}` says what this host lacks for it, if anything)"
            )
        }
    }
}

fn held_back(component: &Component, version: &Version, inventory: &Inventory) -> Option<Concern> {
    let request = inventory.active.requests.get(&component.name);
    concern::held_back(component, version, request, host::target())
}

/// The newest installed version that lacks no security fix of its line, as it is shown, if that is newer than `version`.
fn installed_fix(component: &Component, version: &Version, inventory: &Inventory) -> Option<String> {
    let trees = inventory.trees(&component.name).iter();
    let versions = trees.filter_map(|tree| Some(&tree.origin.as_ref()?.version));
    let is_behind = |version: &Version| {
        let concerns = concern::of_version(component, version, "");
        concerns
            .iter()
            .any(|concern| matches!(concern, Concern::Behind { .. }))
    };
    let newer = versions.filter(|other| {
        other.cmp_precedence(version).is_gt() && component.is_one_line(other, version) && !is_behind(other)
    });
    let newest = newer.max_by(|one, other| one.cmp_precedence(other))?;
    Some(component.version_style.show(newest))
}

fn registry_in_use(in_use: InUse<'_>, keyring: &Keyring, now: Timestamp) -> Finding {
    let registry = in_use.registry;
    let issued = registry.issued.split('T').next().unwrap_or_default();
    if let Some(path) = in_use.named {
        let text = format!("number {}, in `{path}`, which you named", registry.serial);
        return match trust::age_warning(&registry.issued, now) {
            None => Finding::fine("registry", text),
            Some(age) => Finding::note(
                "registry",
                format!("{text}: it {age}"),
                "a newer one comes from whoever keeps it",
            ),
        };
    }
    let source = if in_use.is_fetched {
        "the published one"
    } else {
        "built in"
    };
    let mut text = format!("{source}, number {} of {issued}", registry.serial);
    if keyring.is_empty() {
        text += "; a newer ampup has a newer one";
    }
    match trust::age_warning(&registry.issued, now) {
        None => Finding::fine("registry", text),
        Some(age) if in_use.is_fetched || !keyring.is_empty() => Finding::note(
            "registry",
            format!("{text}: it {age}"),
            "`ampup update` asks for a newer one",
        ),
        Some(age) => Finding::note(
            "registry",
            format!("{text}: it {age}, as is this ampup"),
            "`ampup self update` brings a newer one",
        ),
    }
}
