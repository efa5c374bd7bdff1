//! `docs/status.md` names every field of the document, and no other.

use std::collections::BTreeSet;

use serde_json::Value;

const FULL: &str = include_str!("document_full.json");
const README: &str = include_str!("../../README.md");
const DOCS: &str = include_str!("../../docs/status.md");

fn keys(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                out.insert(key.clone());
                // Counters are named by what they count.
                if key != "counters" {
                    keys(value, out);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, out)),
        _ => {}
    }
}

fn words_of_the_docs() -> BTreeSet<String> {
    let quoted = DOCS.split('`').skip(1).step_by(2);
    let words = quoted.flat_map(|code| code.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words.map(str::to_owned).collect()
}

#[test]
fn every_field_is_documented() {
    let document: super::document::Document = serde_json::from_str(FULL).unwrap();
    let mut fields = BTreeSet::new();
    keys(&serde_json::to_value(document).unwrap(), &mut fields);
    let documented = words_of_the_docs();
    let missing: Vec<_> = fields.difference(&documented).collect();
    assert!(
        missing.is_empty(),
        "docs/status.md does not name {missing:?}"
    );
}

#[test]
fn the_example_is_rendered_for_people() {
    let document: super::document::Document = serde_json::from_str(FULL).unwrap();
    assert_eq!(
        super::render(&document, false),
        include_str!("document_full.txt")
    );
    assert!(
        README.contains(include_str!("document_full.txt")),
        "the sample in README.md is old"
    );
    let coloured = super::render(&document, true);
    assert!(coloured.contains("\x1b[32mMASTER\x1b[0m"), "{coloured}");
}

#[test]
fn maintenance_is_shown() {
    let mut document: super::document::Document = serde_json::from_str(FULL).unwrap();
    document.maintenance = true;
    let text = super::render(&document, false);
    let second = text.lines().nth(1).unwrap();
    assert!(second.starts_with("! maintenance:"), "{text}");
}
