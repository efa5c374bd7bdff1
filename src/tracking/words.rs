//! What a program said, in one line for people.

/// The longest line kept, in octets.
const LONGEST: usize = 200;

/// Keeps the last line of a stream that has something in it.
#[derive(Clone, Debug, Default)]
pub struct LastLine {
    complete: Vec<u8>,
    current: Vec<u8>,
}

impl LastLine {
    /// The next octets.
    pub fn push(&mut self, octets: &[u8]) {
        for &octet in octets {
            if octet == b'\n' {
                if !self.current.trim_ascii().is_empty() {
                    std::mem::swap(&mut self.complete, &mut self.current);
                }
                self.current.clear();
            } else if self.current.len() < LONGEST {
                self.current.push(octet);
            }
        }
    }

    /// The line, fit to be shown: no control characters.
    #[must_use]
    pub fn line(&self) -> String {
        let last = if self.current.trim_ascii().is_empty() {
            &self.complete
        } else {
            &self.current
        };
        let text = String::from_utf8_lossy(last);
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        let text: String = text.chars().map(shown).collect();
        text.trim().to_owned()
    }
}

/// How a run ended, and what it said last.
#[must_use]
pub fn in_words(how: &str, said: &str) -> String {
    if said.is_empty() {
        how.to_owned()
    } else {
        format!("{how}: {said}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(parts: &[&[u8]]) -> String {
        let mut last = LastLine::default();
        parts.iter().for_each(|part| last.push(part));
        last.line()
    }

    #[test]
    fn the_last_line_with_something_in_it_is_kept() {
        assert_eq!(last(&[b"one\ntw", b"o\n", b"\n  \n"]), "two");
        assert_eq!(last(&[b"one\n", b"unfinished"]), "unfinished");
        assert_eq!(last(&[]), "");
    }

    #[test]
    fn a_line_is_short_and_clean_whatever_was_said() {
        assert_eq!(last(&[b"\x1b[31mred\x07\xff\n"]), "[31mred \u{fffd}");
        assert_eq!(last(&[&[b'x'; 10_000]]).len(), LONGEST);
        assert_eq!(in_words("exit status 1", ""), "exit status 1");
        assert_eq!(
            in_words("exit status 1", "no route"),
            "exit status 1: no route"
        );
    }
}
