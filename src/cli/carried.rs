//! The options of this command line that the commands in our messages need too: typed without them, they would be about
//! another home, another database or another registry. What a variable or a file says holds for the next command as well.
//! Where no shell finds this program in its home, its path is typed; and where the home is root's, what changes it is typed
//! behind sudo, or su.

use camino::{Utf8Path, Utf8PathBuf};
use clap::CommandFactory as _;

use super::args::{Cli, Command, Global};
use crate::{
    env::{Env, without_user},
    fs::identity::FileIdentity,
    layout::Layout,
    self_install::{Whence, whence},
    shell,
    store::directories,
};

/// Commands that no home has a say in.
const WITHOUT_HOME: [&str; 3] = ["completions", "registry", "version"];

/// Commands that ask the registry; some only with a certain option.
const OF_REGISTRY: [(&str, &str); 13] = [
    ("check", ""),
    ("info", ""),
    ("init", ""),
    ("install", ""),
    ("link", ""),
    ("list", "--available"),
    ("mirror", ""),
    ("pin", ""),
    ("run", "--with"),
    ("search", ""),
    ("update", ""),
    ("use", ""),
    ("verify", ""),
];

/// Commands that download.
const DOWNLOADING: [&str; 5] = ["init", "install", "self update", "update", "verify"];

/// Commands that change the home; some only with a certain option.
const CHANGING: [(&str, &str); 9] = [
    ("install", ""),
    ("link", ""),
    ("prune", ""),
    ("self update", ""),
    ("undo", ""),
    ("uninstall", ""),
    ("update", ""),
    ("use", ""),
    ("verify", "--repair"),
];

/// With this, `prune` removes what is a project's, and leaves the home alone.
const OF_PROJECT: &str = "--remove";

/// The beginnings of a command in a message.
const BEGINNINGS: [&str; 2] = ["`ampup ", "$(ampup "];

/// The options that were given, each as it is typed, with a space before it; and the program, by its path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Carried {
    home: Option<String>,
    amp_dir: Option<String>,
    registry: Option<String>,
    mirror: Option<String>,
    program: Option<Program>,
    of_root: Option<OfRoot>,
}

/// This program by its path, for as long as the home's directory on PATH leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Program {
    typed: String,
    bin: Utf8PathBuf,
}

impl Program {
    fn of(layout: &Layout, env: &Env) -> Option<Self> {
        let program = env.current_exe()?;
        (whence(program, layout) == Whence::Store).then(|| Self {
            typed: path(program, env),
            bin: layout.bin(),
        })
    }

    fn is_off_path(&self) -> bool {
        !self.bin.exists()
    }
}

/// The ampup of a home that is root's and not this user's to change: neither sudo nor su keeps its variable and its directory on
/// PATH.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OfRoot {
    program: String,
    has_sudo: bool,
}

impl OfRoot {
    fn of(layout: &Layout, env: &Env) -> Option<Self> {
        directories::ensure_writable(layout).err()?;
        let is_roots = FileIdentity::of(layout.home()).is_ok_and(|found| found.uid == 0);
        let has = |name: &str| env.search_path().iter().any(|place| place.join(name).is_file());
        let has_sudo = has("sudo");
        (is_roots && (has_sudo || has("su"))).then(|| {
            let program = layout.bin().join("ampup");
            let program = if program.exists() {
                shell::typed(program.as_str())
            } else {
                "ampup".to_owned()
            };
            let home = shell::typed(layout.home().as_str());
            Self {
                program: format!("AMPUP_HOME={home} {program}"),
                has_sudo,
            }
        })
    }

    /// A command, as its words follow `ampup`.
    fn command(&self, words: &str) -> String {
        match self.has_sudo {
            true => format!("sudo {} {words}", self.program),
            false => format!("su -c {}", shell::typed(&format!("{} {words}", self.program))),
        }
    }
}

impl Carried {
    pub(super) fn of(cli: &Cli, env: &Env) -> Self {
        let Global { home, mirror, .. } = &cli.global;
        let absolute = |path: &Utf8Path| {
            env.current_dir()
                .map_or_else(|| path.to_owned(), |here| here.join(path))
        };
        let usual = env.ampup_home().ok();
        let home = home.as_deref().map(absolute);
        let layout = home.as_ref().or(usual.as_ref()).map(Layout::new);
        let program = layout.as_ref().and_then(|layout| Program::of(layout, env));
        let of_root = layout.as_ref().and_then(|layout| OfRoot::of(layout, env));
        let home = home.filter(|home| Some(home) != usual.as_ref());
        let mirror = mirror.as_deref();
        let mirror = mirror.filter(|mirror| env.var("AMPUP_MIRROR") != Some(mirror));
        let amp_dir = cli.command.as_ref().and_then(Command::amp_dir);
        Self {
            // The next command may be typed elsewhere.
            home: home.map(|home| format!(" --home {}", path(&home, env))),
            amp_dir: amp_dir.map(|amp_dir| format!(" --amp-dir {}", path(&amp_dir, env))),
            registry: registry(&cli.global, absolute, env),
            mirror: mirror.map(|mirror| format!(" --mirror {}", shell::typed(&without_user(mirror)))),
            program,
            of_root,
        }
    }

    /// The text with these options in each command of it that depends on them.
    pub(super) fn complete(&self, text: &str) -> String {
        let program = self.program.as_ref().filter(|program| program.is_off_path());
        let has_options = [&self.home, &self.amp_dir, &self.registry, &self.mirror]
            .iter()
            .any(|option| option.is_some());
        if program.is_none() && self.of_root.is_none() && !has_options {
            return text.to_owned();
        }
        let mut told = String::new();
        let mut rest = text;
        let next = |rest: &str| {
            let found = |beginning: &&str| Some((rest.find(beginning)?, beginning.len()));
            BEGINNINGS.iter().filter_map(found).min()
        };
        while let Some((at, length)) = next(rest) {
            let (before, command) = rest.split_at(at + length);
            let end = command.find(['`', ')']).into_iter().chain(command.find("$("));
            let (command, after) = command.split_at(end.min().unwrap_or(command.len()));
            told += before;
            if is_record(&told, after) {
                told += command;
            } else {
                let is_changing = is_listed(&CHANGING, command) && !has(command, OF_PROJECT);
                let of_root = self.of_root.as_ref().filter(|_| is_changing);
                let command = self.with_options(command, of_root.is_none());
                if of_root.is_some() || program.is_some() {
                    told.truncate(told.len() - "ampup ".len());
                }
                told += &match (of_root, program) {
                    (Some(of_root), _) => of_root.command(&command),
                    (None, Some(program)) => format!("{} {command}", program.typed),
                    (None, None) => command,
                };
            }
            rest = after;
        }
        told + rest
    }

    /// The same for what programs read of such texts.
    pub(super) fn complete_json(&self, value: &mut serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| self.complete_json(value)),
            Value::Object(fields) => {
                // A command that is advised stands in the text beside it; one that was typed is a record.
                let advised = fields
                    .get("text")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                for (name, field) in fields {
                    match field {
                        Value::String(command)
                            if name == "command" && advised.contains(&format!("`{command}`")) =>
                        {
                            *command = self.complete(&format!("`{command}`")).replace('`', "");
                        }
                        Value::String(text) if ["hint", "remedy", "text"].contains(&name.as_str()) => {
                            *text = self.complete(text);
                        }
                        field => self.complete_json(field),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// A command, without the program's name. The home may be named before it.
    fn with_options(&self, command: &str, names_home: bool) -> String {
        let grammar = Cli::command();
        let (verb, path) = verb_of(&grammar, command);
        let first = path.split(' ').next().unwrap_or_default();
        let is_of_registry = is_listed(&OF_REGISTRY, command);
        let takes_project = verb
            .get_arguments()
            .any(|argument| argument.get_id() == "amp_dir");
        let option = |carried: &Option<String>, name: &str, is_needed: bool| {
            let carried = carried.as_deref().filter(|_| is_needed && !has(command, name));
            carried.unwrap_or_default().to_owned()
        };
        let is_verb = !path.is_empty();
        let home = option(
            &self.home,
            "--home",
            names_home && is_verb && !WITHOUT_HOME.contains(&first),
        );
        let registry = option(&self.registry, "--registry", is_of_registry);
        let mirror = option(&self.mirror, "--mirror", DOWNLOADING.contains(&path.as_str()));
        let amp_dir = option(&self.amp_dir, "--amp-dir", takes_project);
        let options = format!("{home}{registry}{mirror}");
        let options = options.strip_prefix(' ').map(|options| format!("{options} "));
        let rest = &command[path.len()..];
        format!("{}{path}{amp_dir}{rest}", options.unwrap_or_default())
    }
}

/// The verb that a command begins with, and its name.
fn verb_of<'a>(grammar: &'a clap::Command, command: &str) -> (&'a clap::Command, String) {
    let (mut verb, mut path) = (grammar, Vec::new());
    for word in command.split(' ') {
        match verb.find_subcommand(word) {
            Some(below) => verb = below,
            None => break,
        }
        path.push(word);
    }
    (verb, path.join(" "))
}

fn has(command: &str, option: &str) -> bool {
    command.split([' ', '=']).any(|word| word == option)
}

/// Returns true if a command is one of these verbs, with the option that is named beside it.
fn is_listed(verbs: &[(&str, &str)], command: &str) -> bool {
    let (_, path) = verb_of(&Cli::command(), command);
    let mut verbs = verbs.iter();
    verbs.any(|(verb, with)| *verb == path && (with.is_empty() || has(command, with)))
}

/// A command that was typed, here or elsewhere, and is not advised.
fn is_record(before: &str, after: &str) -> bool {
    let before = BEGINNINGS
        .iter()
        .find_map(|beginning| before.strip_suffix(beginning));
    before.is_some_and(|before| before.ends_with("by ") || before.ends_with('(') && after.starts_with("`)"))
}

/// The registry of the command line, with its key.
fn registry(
    global: &Global,
    absolute: impl Fn(&Utf8Path) -> camino::Utf8PathBuf,
    env: &Env,
) -> Option<String> {
    let named = global.registry.as_deref();
    let named = named.filter(|named| env.var("AMPUP_REGISTRY") != Some(named))?;
    let place = match named.contains("://") {
        true => shell::typed(&without_user(named)),
        false => path(&absolute(named.into()), env),
    };
    let key = global.registry_key.as_deref().map(absolute);
    let key = key.map(|key| format!(" --registry-key {}", path(&key, env)));
    Some(format!(" --registry {place}{}", key.unwrap_or_default()))
}

/// A path as it is typed: with `~` where no quotes are needed.
fn path(path: &Utf8Path, env: &Env) -> String {
    let typed = shell::typed(path.as_str());
    match typed == path.as_str() && cfg!(unix) {
        true => env.short_path(path),
        false => typed,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;
    use crate::table::every;

    #[test]
    fn a_command_gets_the_options_that_it_depends_on_and_no_others() {
        let told = |line: &str, text: &str| {
            let variables = [("HOME", "/u"), ("AMPUP_MIRROR", "https://m.example/known")];
            let env = Env::from_variables(variables, "/u/w");
            let cli = Cli::try_parse_from(line.split(' ')).expect("a command line");
            Carried::of(&cli, &env).complete(text)
        };
        let everywhere = "ampup --home /u/h --registry r.json --mirror file:///m install x";
        let project = "ampup --home h db status --amp-dir p/.amp";
        let rows = [
            ("ampup list", "`ampup install x`", "`ampup install x`"),
            (
                "ampup --home /u/.ampup list",
                "`ampup install`",
                "`ampup install`",
            ),
            (
                "ampup --mirror https://m.example/known install x",
                "`ampup install x`",
                "`ampup install x`",
            ),
            (
                everywhere,
                "`ampup install x`, then `ampup list --available`, or `ampup list`",
                "`ampup --home ~/h --registry ~/w/r.json --mirror file:///m install x`, then `ampup --home ~/h --registry \
                 ~/w/r.json list --available`, or `ampup --home ~/h list`",
            ),
            (
                everywhere,
                "`ampup self update`; `ampup completions sh`; `ampup --help`",
                "`ampup --home ~/h --mirror file:///m self update`; `ampup completions sh`; `ampup --help`",
            ),
            (
                "ampup --mirror https://u:secret@m/x?t=secret install x",
                "`ampup update`",
                "`ampup --mirror 'https://…@m/x?…' update`",
            ),
            (
                project,
                "`ampup db psql -c 'select 1'`; `ampup run ampd solo`; `ampup db list`",
                "`ampup --home ~/w/h db psql --amp-dir p/.amp -c 'select 1'`; `ampup --home ~/w/h run --amp-dir p/.amp ampd \
                 solo`; `ampup --home ~/w/h db list`",
            ),
            (
                project,
                "`ampup db import \"$(ampup db url --amp-dir q/.amp)\"`",
                "`ampup --home ~/w/h db import --amp-dir p/.amp \"$(ampup --home ~/w/h db url --amp-dir q/.amp)\"`",
            ),
            (
                "ampup run ampd solo --amp-dir p/.amp",
                "`ampup db stop`",
                "`ampup db stop --amp-dir p/.amp`",
            ),
            (
                "ampup --home /u/h history",
                "1  tool  (`ampup install tool`)\nmade by `ampup init`\n(`ampup prune` removes some)",
                "1  tool  (`ampup install tool`)\nmade by `ampup init`\n(`ampup --home ~/h prune` removes some)",
            ),
            (
                "ampup --home /a'b list",
                "`ampup undo`",
                "`ampup --home '/a'\\''b' undo`",
            ),
        ];
        every(rows, |(line, text, expected)| {
            assert_eq!(told(line, text), expected)
        });
    }

    #[test]
    fn a_command_beside_its_text_gets_them_too_and_one_that_was_typed_does_not() {
        let cli = Cli::try_parse_from(["ampup", "--registry", "r.json", "check"]).expect("a command line");
        let env = Env::from_variables([("HOME", "/u")], "/u/w");
        let mut value = json!([
            {"command": "ampup update x --upstream", "text": "`ampup update x --upstream` takes it"},
            {"command": "ampup update x"},
        ]);
        Carried::of(&cli, &env).complete_json(&mut value);
        let command = "ampup --registry ~/w/r.json update x --upstream";
        assert_eq!(
            value,
            json!([
                {"command": command, "text": format!("`{command}` takes it")},
                {"command": "ampup update x"},
            ])
        );
    }
}
