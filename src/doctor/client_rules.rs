//! The rules of a cluster's `pg_hba.conf`, as far as they decide about a session on its socket
//! (<https://www.postgresql.org/docs/current/auth-pg-hba-conf.html>). What only a server can know refuses nobody.

use crate::postgres::observe::endpoint::DATABASE;

/// The methods that a server knows.
const METHODS: &[&str] = &[
    "trust",
    "reject",
    "md5",
    "password",
    "scram-sha-256",
    "gss",
    "sspi",
    "ident",
    "peer",
    "pam",
    "bsd",
    "ldap",
    "cert",
    "radius",
    "oauth",
];
/// The kinds of connections that are not on the socket.
const OF_HOSTS: &[&str] = &["host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"];

/// A rule that keeps us out, or every server from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Its line; `None` where no rule admits us.
    pub line: Option<usize>,
    /// The reason, in words.
    pub why: String,
}

/// Returns the reason that a session without a password is refused on the socket: as the first of these roles, and as the
/// others, which are tried where only the name was refused. `system_user` is the one that opens it.
pub(crate) fn refusal(text: &str, roles: &[&str], system_user: Option<&str>) -> Option<Refusal> {
    let rules = match rules(text) {
        Ok(rules) => rules,
        Err(broken) => return Some(broken),
    };
    let mut first = None;
    for role in roles {
        match verdict(&rules, role, system_user) {
            Verdict::Admitted => return None,
            Verdict::WantsPassword(refusal) => return Some(first.unwrap_or(refusal)),
            Verdict::NotThisName(refusal) => first = first.or(Some(refusal)),
        }
    }
    first
}

/// A rule about the socket, or one that only a server can read.
struct Rule {
    line: usize,
    databases: Vec<Word>,
    roles: Vec<Word>,
    method: String,
    has_map: bool,
}

/// A word, and whether it is in quotes, where no keyword is one.
#[derive(Debug, Default)]
struct Word {
    text: String,
    is_quoted: bool,
}

enum Verdict {
    /// Or perhaps.
    Admitted,
    WantsPassword(Refusal),
    NotThisName(Refusal),
}

fn verdict(rules: &[Rule], role: &str, system_user: Option<&str>) -> Verdict {
    let fits = |words: &[Word], name: &str| {
        let answers: Vec<_> = words.iter().map(|word| word.fits(name)).collect();
        match answers.contains(&Some(true)) {
            true => Some(true),
            false if answers.contains(&None) => None,
            false => Some(false),
        }
    };
    for rule in rules {
        let refusal = |why: String| Refusal {
            line: Some(rule.line),
            why,
        };
        let fitting = (fits(&rule.databases, DATABASE), fits(&rule.roles, role));
        match fitting {
            (Some(false), _) | (_, Some(false)) => continue,
            (None, _) | (_, None) => return Verdict::Admitted,
            (Some(true), Some(true)) => {}
        }
        return match rule.method.as_str() {
            "trust" => Verdict::Admitted,
            "peer" | "ident" if rule.has_map || system_user.is_none_or(|user| user == role) => {
                Verdict::Admitted
            }
            "peer" | "ident" => {
                Verdict::NotThisName(refusal(format!("admits `{role}` alone to its own sessions")))
            }
            "reject" => Verdict::NotThisName(refusal(format!("rejects the sessions of `{role}`"))),
            method => Verdict::WantsPassword(refusal(format!(
                "asks the sessions of `{role}` for a password (`{method}`), and ampup and ampd have none"
            ))),
        };
    }
    Verdict::NotThisName(Refusal {
        line: None,
        why: format!("has no rule for a session of `{role}` on the socket"),
    })
}

impl Word {
    /// True if the word means the name; `None` where only a server can tell.
    fn fits(&self, name: &str) -> Option<bool> {
        let is_keyword = |keyword: &str| !self.is_quoted && self.text == keyword;
        if is_keyword("all") {
            Some(true)
        } else if !self.is_quoted && (self.text.starts_with(['@', '+', '/']) || self.text.starts_with("same"))
        {
            None
        } else {
            Some(!is_keyword("replication") && self.text == name)
        }
    }
}

/// The rules about the socket.
fn rules(text: &str) -> Result<Vec<Rule>, Refusal> {
    let mut rules = Vec::new();
    for (line, text) in lines(text) {
        let mut fields = fields(&text).into_iter();
        let Some(kind) = fields.next().map(|mut words| words.swap_remove(0).text) else {
            continue;
        };
        let broken = |why: String| Refusal {
            line: Some(line),
            why,
        };
        match kind.as_str() {
            "local" => {
                let (Some(databases), Some(roles), Some(mut method)) =
                    (fields.next(), fields.next(), fields.next())
                else {
                    return Err(broken("ends too early: no server starts with it".to_owned()));
                };
                let method = method.swap_remove(0).text;
                if !METHODS.contains(&method.as_str()) {
                    return Err(broken(format!(
                        "names the method `{method}`, which no server knows"
                    )));
                }
                let has_map = fields.flatten().any(|option| option.text.starts_with("map="));
                rules.push(Rule {
                    line,
                    databases,
                    roles,
                    method,
                    has_map,
                });
            }
            // Nothing is known of what comes from there, nor of what follows.
            include if include.starts_with("include") => {
                let anything = || {
                    vec![Word {
                        text: "@".to_owned(),
                        is_quoted: false,
                    }]
                };
                rules.push(Rule {
                    line,
                    databases: anything(),
                    roles: anything(),
                    method: String::new(),
                    has_map: false,
                });
            }
            kind if OF_HOSTS.contains(&kind) => {}
            kind => return Err(broken(format!("begins with `{kind}`: no server starts with it"))),
        }
    }
    Ok(rules)
}

/// The lines with their numbers; one that ends with a backslash goes on in the next.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (1..).zip(text.lines()) {
        let (line, next) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        match lines.last_mut() {
            Some((_, before)) if goes_on => before.push_str(line),
            _ => lines.push((number, line.to_owned())),
        }
        goes_on = next;
    }
    lines
}

/// The fields of a line, each a list with commas.
fn fields(line: &str) -> Vec<Vec<Word>> {
    let mut fields: Vec<Vec<Word>> = Vec::new();
    let mut signs = line.chars().peekable();
    let mut is_list = false;
    loop {
        while signs.next_if(|sign| sign.is_whitespace()).is_some() {}
        if signs.peek().is_none_or(|sign| *sign == '#') {
            return fields;
        }
        let mut word = Word::default();
        let mut is_inside = false;
        let mut has_comma = false;
        while let Some(sign) = signs.next_if(|sign| is_inside || !(sign.is_whitespace() || *sign == '#')) {
            match sign {
                '"' => (is_inside, word.is_quoted) = (!is_inside, true),
                ',' if !is_inside => {
                    has_comma = true;
                    break;
                }
                sign => word.text.push(sign),
            }
        }
        match fields.last_mut() {
            Some(field) if is_list => field.push(word),
            _ => fields.push(vec![word]),
        }
        is_list = has_comma;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn the_first_rule_that_fits_decides() {
        let admitted = [
            "local all all trust",
            "# a word\n\nlocal  all\tall   peer",
            "local replication all reject\nlocal all me trust",
            "local \"all\" all reject\nlocal all all trust",
            "local shop, \"postgres\" you,me trust\nlocal all all md5",
            "host all all 127.0.0.1/32 scram-sha-256\nlocal all all trust",
            "local all \\\n all trust",
            "local all +admins md5",
            "include others.conf\nlocal all all md5",
            "local sameuser all md5",
            "local all postgres trust\nlocal all all reject",
            "local all all peer map=ours",
        ];
        every(admitted, |text| {
            assert_eq!(refusal(text, &["me", "postgres"], Some("me")), None, "{text}");
        });
        let refused = [
            ("local all all scram-sha-256", Some(1), "scram-sha-256"),
            ("\nlocal all me md5 # ours\nlocal all all trust", Some(2), "md5"),
            ("local all all reject", Some(1), "rejects"),
            ("host all all all trust", None, "no rule"),
            ("local \"replication\" all trust", None, "no rule"),
            ("local all all", Some(1), "too early"),
            ("local all all believe", Some(1), "`believe`"),
            ("locale all all trust", Some(1), "`locale`"),
        ];
        every(refused, |(text, line, why)| {
            let refusal = refusal(text, &["me", "postgres"], Some("me")).expect(text);
            assert!(
                refusal.line == line && refusal.why.contains(why),
                "{text}: {refusal:?}"
            );
        });
        let other = refusal("local all all peer", &["me", "postgres"], Some("root"));
        assert_eq!(other.and_then(|refusal| refusal.line), Some(1));
    }
}
