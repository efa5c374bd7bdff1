//! The number in a tracked file.

/// Not a number; what was found, shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number: {0:?}")]
pub struct Nonsense(String);

/// Reads a file's content: one whole number, with white space around it. What is beyond 32
/// bits counts as the largest or smallest.
///
/// # Errors
///
/// [`Nonsense`] for everything else.
pub fn number(content: &[u8]) -> Result<i32, Nonsense> {
    let text = String::from_utf8_lossy(content);
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Nonsense(text.chars().take(20).collect()));
    }
    let value = digits.parse::<i64>().unwrap_or(i64::MAX);
    let bounded = (sign * value).clamp(i64::from(i32::MIN), i64::from(i32::MAX));
    Ok(i32::try_from(bounded).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_with_its_sign_and_its_bounds() {
        for (content, value) in [
            ("0", 0),
            (" 12\n", 12),
            ("-7\n", -7),
            ("+7", 7),
            ("99999999999999999999999", i32::MAX),
            ("-99999999999999999999999", i32::MIN),
        ] {
            assert_eq!(number(content.as_bytes()), Ok(value), "{content}");
        }
    }

    #[test]
    fn everything_else_is_nonsense() {
        for content in ["", "\n", "-", "up", "1 2", "1.5", "0x10", "--1"] {
            number(content.as_bytes()).unwrap_err();
        }
        let error = number(&[0xff; 100]).unwrap_err().to_string();
        assert_eq!(error.matches('\u{fffd}').count(), 20);
    }
}
