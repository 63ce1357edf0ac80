//! A registry of somebody's own: what registry/README.md tells a newcomer to type is typed here.

use std::process::Command;

use fs_err as fs;

use crate::support::home::{Home, TARGET, finish, sha256};

/// The code blocks of a language in a section of the README, in order.
fn blocks(language: &str) -> Vec<String> {
    let readme = include_str!("../../registry/README.md");
    let section = readme
        .split("\n## ")
        .find(|section| section.starts_with("A registry of your own"))
        .expect("the section");
    let fence = format!("```{language}\n");
    let blocks = section.split(fence.as_str()).skip(1);
    blocks
        .map(|block| block.split("```").next().expect("its end").to_owned())
        .collect()
}

#[test]
fn the_readmes_registry_is_copied_changed_and_installed() {
    let mut home = Home::new();
    let world = home.registry().parent().expect("a directory").join("newcomer");
    fs::create_dir(&world).expect("made");
    let shell = blocks("sh");
    let [make, install] = shell.as_slice() else {
        panic!("there are two blocks of commands: {shell:#?}");
    };
    let made = Command::new("sh")
        .args(["-ec", make])
        .current_dir(&world)
        .output()
        .expect("it runs");
    assert!(made.status.success(), "{made:?}");
    let archive = fs::read(world.join("hello-1.0.0.tar.gz")).expect("the archive");
    let digest = sha256(&archive);
    let said = String::from_utf8_lossy(&made.stdout);
    assert!(said.contains(digest.trim_start_matches("sha256:")), "{said}");

    // The three things that it says to change.
    let template = blocks("json").remove(0);
    let zeros = format!("sha256:{}", "0".repeat(64));
    assert!(template.contains("/home/you/") && template.contains(&zeros));
    fs::write(world.join("registry.json"), &template).expect("written");
    let registry = template
        .replace("/home/you/", &format!("{world}/"))
        .replace(&zeros, &digest)
        .replace("x86_64-unknown-linux-gnu", TARGET);
    fs::write(world.join("registry.json"), &registry).expect("written");

    home.ampup(&["init", "--yes", "--no-modify-path"]).exits(0);
    for line in install.lines() {
        let words: Vec<&str> = line
            .split('#')
            .next()
            .expect("a part")
            .split_whitespace()
            .collect();
        let run = match words.as_slice() {
            ["ampup", words @ ..] => {
                let mut command = home.command(words);
                command.current_dir(&world);
                finish(command).exits(0)
            }
            [program] => {
                let program = program.replace("~/.ampup", home.path().as_str());
                let run = finish(Command::new(program));
                run.exits(0).prints("hello 1.0.0\n")
            }
            other => panic!("{other:?}"),
        };
        if words.contains(&"check") {
            run.says("the registry `mine`, number 1, has no mistake: 1 component, 1 release, 1 artifact");
        }
    }

    // Of what another registry has, everything but the registry itself is known.
    home.ampup(&["undo"])
        .exits(0)
        .says("and `ampup use hello@1.0.0 --registry FILE` activates it");
    home.ampup(&["why", "hello"])
        .exits(3)
        .says("\n  `ampup use hello@1.0.0 --registry FILE`");
    home.ampup(&["use", "hello@1.0.0"])
        .exits(3)
        .says("hello is installed, and the registry that is used does not have it")
        .says("\n  name the registry that has it: `ampup use hello@1.0.0 --registry FILE`");

    // Each registry pins what it has, and names the rest.
    let own = world.join("registry.json");
    let of_own = |home: &Home, words: &[&str]| home.ampup(&[&["--registry", own.as_str()], words].concat());
    let unknown = "is not pinned: this registry has no component of that name\n";
    of_own(&home, &["use", "hello@1.0.0"]).exits(0);
    home.ampup(&["pin"])
        .exits(3)
        .says("nothing is active that could be pinned\n  name the registry that has what is active: `ampup pin --registry FILE`");
    home.offer("tool", "1.0.0");
    home.ampup(&["install", "tool"]).exits(0);
    home.ampup(&["pin", "--dry-run"])
        .exits(0)
        .prints("tool 1.0.0\n")
        .says(&format!("hello {unknown}"));
    of_own(&home, &["pin", "--dry-run"])
        .exits(0)
        .prints("hello 1.0.0\n")
        .says(&format!("tool {unknown}"));

    of_own(&home, &["pin"]).exits(0);
    home.ampup(&["which", "hello"])
        .exits(3)
        .says("`: there is no component `hello`\n  name the registry that has it with `--registry FILE`, or remove that line");
    fs::remove_file(home.work().join("ampup.toml")).expect("removed");

    // What leads back to it needs the registry too.
    let build = home.directory("build");
    fs::copy(world.join("hello-1.0.0/hello-linux"), build.join("hello")).expect("copied");
    let mut command = Command::new("chmod");
    command.args(["755", build.join("hello").as_str()]);
    finish(command).exits(0);
    of_own(&home, &["link", "hello", build.as_str()]).exits(0);
    home.ampup(&["uninstall", "hello@1.0.0"])
        .exits(0)
        .says("hello is no longer active; `ampup use hello@local-")
        .says(" --registry FILE` activates another version");
    home.ampup(&["history"]).exits(0).prints_with(
        "hello 1.0.0 was removed since; `ampup install hello@1.0.0 --registry FILE` brings it back",
    );

    // A slip of the pen is told where it is.
    let slip = registry
        .replace("\"summary\"", "\"sumary\"")
        .replace("\"glibc\"", "\"glib\"");
    fs::write(world.join("registry.json"), slip).expect("written");
    let mut command = home.command(&["registry", "check", "registry.json"]);
    command.current_dir(&world);
    finish(command)
        .exits(1)
        .prints_with("$.components.hello.sumary: the field `sumary` is not known; did you mean `summary`?\n")
        .prints_with(".needs.glib: the field `glib` is not known; did you mean `glibc`?\n");

    // A file that is here is not of another size.
    let sized = registry.replace("\"format\"", "\"size\": 7, \"format\"");
    fs::write(world.join("registry.json"), sized).expect("written");
    let mut command = home.command(&["registry", "check", "registry.json"]);
    command.current_dir(&world);
    finish(command)
        .exits(1)
        .prints_with("$.components.hello.releases[0].artifacts[0].size: it is 7, and the file `file:///")
        .prints_with(&format!("hello-1.0.0.tar.gz` has {} bytes\n", archive.len()));
}
