//! The reference of every key, for `docs/configuration.md`.

use std::fmt::Write;

use super::keepalived_words::WORDS;
use super::schema::{Describe, TABLES};

/// Every table and key with type, default and range, as Markdown.
pub fn markdown() -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    for table in TABLES.iter().filter(|table| !table.doc.is_empty()) {
        let _ = writeln!(out, "### `{}`\n\n{}\n", table.header, table.doc);
        out.push_str("| key | type | default | range | |\n|---|---|---|---|---|\n");
        for key in table.keys {
            out.push_str(&row(*key));
        }
        out.push('\n');
    }
    out
}

fn row(key: &dyn Describe) -> String {
    let (kind, default) = (key.kind(), key.default_text());
    let (range, doc) = (key.range_text(), key.doc());
    format!(
        "| `{}` | {kind} | {default} | {range} | {doc} |\n",
        key.name()
    )
}

/// keepalived's words and what to write instead, as Markdown.
pub fn keepalived_markdown() -> String {
    let mut out = "| keepalived | here |\n|---|---|\n".to_owned();
    for (word, advice) in WORDS {
        let advice = advice.strip_prefix("write ").unwrap_or(advice);
        let _ = writeln!(out, "| `{word}` | {advice} |");
    }
    out
}
