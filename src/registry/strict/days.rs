//! Checks of lines of releases, and of days and times, that a schema cannot express.

use jiff::{Timestamp, civil::Date};
use semver::Version;
use serde_json::Value;

use super::{Mistake, components, list};

/// Every mistake in lines, days and times that the schema lets pass.
pub(super) fn mistakes(manifest: &Value) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if let Some(issued) = manifest.get("issued").and_then(Value::as_str)
        && issued.parse::<Timestamp>().is_err()
    {
        mistakes.push(Mistake::at(
            "$.issued",
            format!("there is no such time as `{issued}`; it is one in UTC, such as `2026-11-28T12:00:00Z`"),
        ));
    }
    for (name, component) in components(manifest) {
        for (index, release) in list(component, "releases").enumerate() {
            let path = format!("$.components.{name}.releases[{index}]");
            day(release, "published", &path, &mut mistakes);
        }
        let mut majors = Vec::new();
        for (index, line) in list(component, "lines").enumerate() {
            let path = format!("$.components.{name}.lines[{index}]");
            let Some(major) = line["major"].as_u64() else {
                continue;
            };
            if majors.contains(&major) {
                mistakes.push(Mistake::at(
                    &format!("{path}.major"),
                    format!("the line of {major} is there already; say all of it in one"),
                ));
            }
            majors.push(major);
            day(line, "end_of_life", &path, &mut mistakes);
            if let Some(upstream) = line.get("upstream") {
                let path = format!("{path}.upstream");
                day(upstream, "published", &path, &mut mistakes);
                let fault = upstream_fault(upstream, major, component);
                mistakes.extend(fault.map(|fault| Mistake::at(&format!("{path}.version"), fault)));
            }
        }
    }
    mistakes
}

/// A day is in the calendar.
fn day(value: &Value, field: &str, path: &str, mistakes: &mut Vec<Mistake>) {
    if let Some(text) = value.get(field).and_then(Value::as_str)
        && text.parse::<Date>().is_err()
    {
        mistakes.push(Mistake::at(
            &format!("{path}.{field}"),
            format!("there is no such day as `{text}`; it is year, month and day, such as `2026-11-28`"),
        ));
    }
}

/// The newest version that its makers released is of its line, and no release of the line is newer.
fn upstream_fault(upstream: &Value, major: u64, component: &Value) -> Option<String> {
    let version: Version = upstream["version"].as_str()?.parse().ok()?;
    if version.major != major {
        return Some(format!(
            "`{version}` is not of the line of {major}; it is `{major}.…`"
        ));
    }
    let releases =
        list(component, "releases").filter_map(|release| release["version"].as_str()?.parse().ok());
    let newest: Version = releases
        .filter(|release: &Version| release.major == major && release.pre.is_empty())
        .max()?;
    (newest > version).then(|| {
        format!(
            "`{version}` is older than the release `{newest}`; name what is newest, or leave out `upstream`"
        )
    })
}
