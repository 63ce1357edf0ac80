//! ampup's manual, from the same definitions as its command line.

/// The pages, each with the name of its file: `ampup.1`, `ampup-install.1`, and so on for every verb.
pub fn pages(grammar: clap::Command) -> Vec<(String, Vec<u8>)> {
    let mut grammar = grammar.disable_help_subcommand(true);
    grammar.build();
    let mut pages = Vec::new();
    write(&grammar, &mut pages);
    pages
}

fn write(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) {
    let page = clap_mangen::Man::new(command.clone()).manual("ampup");
    let mut text = Vec::new();
    page.render(&mut text).expect("memory takes every page");
    pages.push((page.get_filename(), text));
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write(verb, pages);
    }
}
