use super::{super::fault::Refusal, *};
use crate::table::every;

const LIMITS: Limits = Limits {
    unpacked: 1_000,
    tree: Some(100),
};

/// An entry in one line: `d a`, `f a`, `x a` (executable), `l a b` (symlink to b), `h a b` (hard link to b). A file has
/// ten bytes, unless a number follows.
fn entry(line: &str) -> ArchiveEntry {
    let mut words = line.split(' ');
    let (kind, path) = (words.next().expect("a kind"), words.next().expect("a path"));
    let rest = words.next();
    let size = rest.and_then(|size| size.parse().ok()).unwrap_or(10);
    let target = rest.unwrap_or_default().to_owned();
    let (kind, bytes) = match kind {
        "d" => (EntryKind::Directory, 0),
        "f" | "x" => {
            let executable = kind == "x";
            (EntryKind::File { size, executable }, size)
        }
        "l" => (EntryKind::Symlink { target }, 0),
        "h" => (EntryKind::HardLink { target }, 0),
        other => panic!("no kind: {other}"),
    };
    ArchiveEntry {
        path: path.to_owned(),
        kind,
        bytes,
    }
}

/// Judges a whole archive: what is to be done, and the links that are made at the end.
fn judged(root: Option<&str>, lines: &[&str]) -> Result<(Vec<Step>, Vec<Link>), Fault> {
    let mut census = Census::new(LIMITS, root, None);
    let steps = lines
        .iter()
        .map(|line| census.admit(&entry(line)))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((steps, census.finish(&[]).map_err(fault)?))
}

fn fault(failure: Failure) -> Fault {
    match failure {
        Failure::Refused(Refusal { fault, .. }) => fault,
        other => panic!("deciding does no IO: {other:?}"),
    }
}

#[test]
fn archives_that_no_honest_maker_makes_are_refused() {
    let same = |name: &str| Fault::Duplicate(name.into());
    let kind = |name: &str| Fault::ChangesKind(name.into());
    let leaves = |target: &str| Fault::LinkLeaves(target.into());
    let cases: &[(&[&str], Fault)] = &[
        (&["f a", "f a"], same("a")),
        (&["f a", "f A"], same("a")),
        (&["f é", "f e\u{301}"], same("é")),
        (&["f dir/a", "f DIR/b"], same("dir")),
        (&["l a b", "l a c"], same("a")),
        (&["f a", "h b a", "h b a"], same("b")),
        (&["f a", "h a a"], same("a")),
        (&["f a", "d a"], kind("a")),
        (&["d a", "f a"], kind("a")),
        (&["f a", "l a b"], kind("a")),
        (&["l a b", "f a"], kind("a")),
        (&["l a .", "f a/b"], kind("a")),
        (&["f a/b", "l a ."], kind("a")),
        (&["f a", "f a/b"], kind("a")),
        (&["f a/b", "f a"], kind("a")),
        (&["f a", "l b .."], leaves("..")),
        (&["f a", "l d/b ../.."], leaves("../..")),
        (&["f a", "l d/b ../../a"], leaves("../../a")),
        (&["f a", "l d/b ../x/../../y/a"], leaves("../x/../../y/a")),
        // As text `out` stays within; as a disk resolves it, it does not: `deep/..` is `d/..`.
        (&["f d/a", "l d/deep ..", "l out d/deep/.."], leaves("d/deep/..")),
        (&["f d/a", "l out D/DEEP/..", "l d/deep .."], leaves("D/DEEP/..")),
        (&["f a", "l b b"], Fault::LinkLoop),
        (&["f a", "l b c", "l c b"], Fault::LinkLoop),
        (&["f a", "l b b/x"], Fault::LinkLoop),
        (&["h a b"], Fault::HardLink("b".into())),
        (&["h a b", "f b"], Fault::HardLink("b".into())),
        (&["f a", "h b A"], Fault::HardLink("A".into())),
        (&["d a", "h b a"], Fault::HardLink("a".into())),
        (&["f a", "l l a", "h b l"], Fault::HardLink("l".into())),
        (&["f .receipt.json"], Fault::Reserved),
        (&["f .Files.JSON"], Fault::Reserved),
        (&["d .files.json"], Fault::Reserved),
        (&["l .receipt.json a"], Fault::Reserved),
        (&["f .receipt.json/a"], Fault::Reserved),
        (&["f a 2000"], Fault::TooLarge(1_000)),
        (&["f a 101"], Fault::LargerThanStated(100)),
        (&["f a 60", "h b a"], Fault::LargerThanStated(100)),
        (&[], Fault::Empty),
        (&["d a", "d b"], Fault::Empty),
    ];
    every(cases, |(lines, fault)| {
        assert_eq!(judged(None, lines).as_ref(), Err(fault), "{lines:?}");
    });
}

#[test]
fn archives_of_honest_makers_pass() {
    let rows = [
        &["d ", "d a", "f a/b"][..],
        &["f a/b", "d a", "d a"],
        &["f a/b/c", "f a/b/d"],
        // The target comes later, is missing, is a directory, is reached through links.
        &["l b a", "f a"],
        &["f a", "l b nowhere/at/../all"],
        &["f d/a", "l here ./d/", "l there here/a"],
        &[
            "f lib/x.1.2",
            "l lib/x.1 x.1.2",
            "l lib/x x.1",
            "l bin/x ../lib/x",
        ],
        &["f a", "l d/e/up ../.."],
        &["f d/a", "l b nowhere/../d/a"],
        &["f d/.receipt.json", "f .receipt.json.d", "f x/.files.json"],
        &["f a 33", "h b a", "h d/c b"],
        &["f straight", "f strasse"],
    ];
    every(rows, |lines| {
        assert!(
            judged(None, lines).is_ok(),
            "{lines:?}: {:?}",
            judged(None, lines)
        );
    });
}

#[test]
fn under_a_root_the_rest_is_judged_and_left_out() {
    let (steps, links) = judged(
        Some("p/native"),
        &[
            "f p/LICENSE 900",
            "x p/native/bin/a",
            "l p/native/b bin/a",
            "l p/c native",
            "h p/native/h p/native/bin/a",
        ],
    )
    .expect("judged");
    let (path, executable) = ("bin/a".to_owned(), true);
    let copy = Step::Copy {
        from: path.clone(),
        path: "h".to_owned(),
        executable,
    };
    assert_eq!(
        steps,
        [
            Step::Skip,
            Step::File { path, executable },
            Step::Skip,
            Step::Skip,
            copy
        ]
    );
    assert_eq!(
        links,
        [Link {
            path: "b".into(),
            target: "bin/a".into()
        }]
    );
    let nothing = |root: &str| Err(Fault::NothingUnderRoot(root.into()));
    let rows = [
        ("p/native", &["f p/LICENSE"][..]),
        ("p/native", &["f p/native-not/a"]),
        ("p/native", &["d p/native", "f p/a"]),
        ("p/native", &["f p/native"]),
        ("p/native", &["l p/native q", "f p/q/a"]),
        ("p/../p", &["f p/a"]),
        ("P", &["f p/a"]),
    ];
    every(rows, |(root, lines)| {
        assert_eq!(judged(Some(root), lines), nothing(root), "{root} {lines:?}");
    });
    // A link in the tree may not point out of it, though the archive has what it points to.
    assert_eq!(
        judged(Some("p/native"), &["f p/native/a", "f p/b", "l p/native/l ../b"]),
        Err(Fault::LinkLeaves("../b".into()))
    );
    assert_eq!(
        judged(Some("p/native"), &["f p/b", "h p/native/h p/b"]),
        Err(Fault::HardLinkOutside("p/b".into()))
    );
    assert_eq!(judged(Some("p"), &["f p/.files.json"]), Err(Fault::Reserved));
}

#[test]
fn entries_and_the_directories_made_for_them_are_counted() {
    let mut census = Census::new(LIMITS, None, None);
    let again = entry("d a");
    for _ in 0..limits::ENTRIES {
        census.admit(&again).expect("allowed");
    }
    assert_eq!(census.admit(&again), Err(Fault::TooManyEntries));

    let mut census = Census::new(LIMITS, None, None);
    let deep = |number: usize| entry(&format!("f {number}/{} 0", vec!["d"; 60].join("/")));
    let refused = (0..limits::ENTRIES).find_map(|number| census.admit(&deep(number)).err());
    assert_eq!(refused, Some(Fault::TooManyEntries));
}

#[test]
fn the_list_of_links_is_held_to_the_same_rules() {
    let links = LinkList {
        file: "p/native/links.json".into(),
        base: "p".into(),
    };
    let made = |lines: &[&str], listed: &[(&str, &str)]| {
        let mut census = Census::new(LIMITS, Some("p/native"), Some(&links));
        for line in lines {
            census.admit(&entry(line)).expect("allowed");
        }
        let listed: Vec<ListedLink> = listed
            .iter()
            .map(|&(source, target)| ListedLink {
                source: source.into(),
                target: target.into(),
            })
            .collect();
        let made = census.finish(&listed).map_err(fault)?;
        Ok(made
            .into_iter()
            .map(|link| (link.path, link.target))
            .collect::<Vec<_>>())
    };
    let lines = ["f p/native/lib/a.1.2", "f p/native/links.json", "f p/outside"];
    let expected = [
        ("lib/a", "a.1.2"),
        ("lib/b", "a"),
        ("bin/deep/a", "../../lib/a.1.2"),
    ];
    assert_eq!(
        made(
            &lines,
            &[
                ("native/lib/a.1.2", "native/lib/a"),
                ("native/lib/a", "native/lib/b"),
                ("native/lib/a.1.2", "native/bin/deep/a"),
            ]
        ),
        Ok(expected
            .map(|(path, target)| (path.to_owned(), target.to_owned()))
            .to_vec())
    );
    assert_eq!(made(&lines, &[]), Ok(vec![]));
    assert_eq!(
        made(&lines[..1], &[]),
        Err(Fault::NoLinkList("p/native/links.json".into()))
    );
    let source = |name: &str| Fault::NoLinkSource(name.into());
    let outside = |name: &str| Fault::LinkListOutside(name.into());
    let rows = [
        (("native/lib/none", "native/l"), source("p/native/lib/none")),
        (("native/lib", "native/l"), source("p/native/lib")),
        (("native/links.json", "native/l"), source("p/native/links.json")),
        (("outside", "native/l"), outside("p/outside")),
        (("native/lib/a.1.2", "l"), outside("p/l")),
        (("native/lib/a.1.2", "native"), outside("p/native")),
        (("native/lib/a.1.2", "../l"), Fault::Upwards),
        (("/etc/passwd", "native/l"), Fault::EmptyPart),
        (
            ("native/lib/a.1.2", "native/lib"),
            Fault::ChangesKind("p/native/lib".into()),
        ),
        (
            ("native/lib/a.1.2", "native/lib/a.1.2"),
            Fault::ChangesKind("p/native/lib/a.1.2".into()),
        ),
        (("native/lib/a.1.2", "native/.files.json"), Fault::Reserved),
        (("native/l", "native/l"), Fault::LinkLoop),
    ];
    every(rows, |(listed, fault)| {
        assert_eq!(made(&lines, &[listed]), Err(fault), "{listed:?}");
    });
}

#[test]
fn a_listed_link_is_relative_to_its_own_directory() {
    let rows = [
        ("a", "b", "b"),
        ("d/a", "d/b", "b"),
        ("d/a", "b", "../b"),
        ("a", "d/b", "d/b"),
        ("d/e/a", "d/f/b", "../f/b"),
        ("d/d/a", "d/d", "../d"),
    ];
    every(rows, |(link, source, target)| {
        assert_eq!(relative(link, source), target, "{link} {source}");
    });
}
