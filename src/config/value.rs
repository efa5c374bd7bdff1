//! Values with a unit: how they are written, read and shown.

use std::time::Duration;

use super::raw::Value;

/// A type that a key with a range can have.
pub(super) trait Unit: Copy + PartialOrd {
    /// What the documentation calls it.
    const KIND: &'static str;

    /// Reads it; the error continues the sentence "KEY must be".
    fn read(value: &Value) -> Result<Self, String>;

    /// Whether the type cannot hold the value, so that [`Unit::read`] gave another one.
    fn overflows(_: &Value) -> bool {
        false
    }

    /// As a person would say it.
    fn show(self) -> String;

    /// As it is written in a file.
    fn written(self) -> String {
        format!("\"{}\"", self.show())
    }
}

impl Unit for u32 {
    const KIND: &'static str = "number";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            // Beyond the type is beyond any range, and is reported as that.
            Value::Integer(number) => Ok(Self::try_from((*number).max(0)).unwrap_or(Self::MAX)),
            other => Err(format!("a whole number, is {}", other.kind())),
        }
    }

    fn overflows(value: &Value) -> bool {
        matches!(value, Value::Integer(number) if Self::try_from(*number).is_err())
    }

    fn show(self) -> String {
        self.to_string()
    }

    fn written(self) -> String {
        self.show()
    }
}

impl Unit for i32 {
    const KIND: &'static str = "number";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Integer(number) => {
                let bound = if *number < 0 { Self::MIN } else { Self::MAX };
                Ok(Self::try_from(*number).unwrap_or(bound))
            }
            other => Err(format!("a whole number, is {}", other.kind())),
        }
    }

    fn overflows(value: &Value) -> bool {
        matches!(value, Value::Integer(number) if Self::try_from(*number).is_err())
    }

    fn show(self) -> String {
        self.to_string()
    }

    fn written(self) -> String {
        self.show()
    }
}

impl Unit for Duration {
    const KIND: &'static str = "duration";

    fn read(value: &Value) -> Result<Self, String> {
        let example = "a duration with its unit, such as \"5s\", \"500ms\" or \"2m\"";
        match value {
            Value::String(text) => duration(text).ok_or(format!("{example}, is \"{text}\"")),
            Value::Integer(number) => Err(format!("{example}: write \"{number}s\"")),
            Value::Float(number) => Err(format!("{example}: write \"{number}s\"")),
            other => Err(format!("{example}, is {}", other.kind())),
        }
    }

    fn show(self) -> String {
        let nanos = self.as_nanos();
        let units = [
            ("d", 86_400_000_000_000),
            ("h", 3_600_000_000_000),
            ("m", 60_000_000_000),
            ("s", 1_000_000_000),
            ("ms", 1_000_000),
            ("us", 1_000),
        ];
        if nanos == 0 {
            return "0s".to_owned();
        }
        // Whole minutes, hours and days only: 90s reads better than 1.5m.
        for (unit, size) in units {
            if nanos.is_multiple_of(size) {
                return format!("{}{unit}", nanos / size);
            }
            if unit == "s" && nanos > size && nanos.is_multiple_of(10_000_000) {
                return format!("{}s", self.as_secs_f64());
            }
        }
        format!("{nanos}ns")
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) struct Bytes(pub(super) u64);

impl Unit for Bytes {
    const KIND: &'static str = "size";

    fn read(value: &Value) -> Result<Self, String> {
        let example = "a size with its unit, such as \"1MiB\", \"64KiB\" or \"500B\"";
        match value {
            Value::String(text) => size(text).ok_or(format!("{example}, is \"{text}\"")),
            Value::Integer(number) => Err(format!("{example}: write \"{number}B\"")),
            other => Err(format!("{example}, is {}", other.kind())),
        }
    }

    fn show(self) -> String {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            let whole = self.0 >> shift;
            if whole > 0 && whole << shift == self.0 {
                return format!("{whole}{unit}");
            }
        }
        format!("{}B", self.0)
    }
}

/// One or more numbers with units, largest first or not: `1m30s`, `1.5s`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let end = after.find(|c: char| !c.is_ascii_alphabetic());
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        let unit = match unit {
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" | "min" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return None,
        };
        total = total.checked_add(scaled(number, unit)?)?;
        rest = after;
    }
    u64::try_from(total).ok().map(Duration::from_nanos)
}

/// A number and a unit of bytes: `1MiB`, `1.5 GiB`, `10kB`.
fn size(text: &str) -> Option<Bytes> {
    let (number, unit) = split_number(text.trim())?;
    let unit = match unit.trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    let total = scaled(number, unit)?;
    u64::try_from(total).ok().map(Bytes)
}

/// Digits with at most one point, and what follows them.
fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    (end > 0).then(|| text.split_at(end))
}

/// `number` times `unit`, exactly; `None` if there is a remainder.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let denominator = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let whole = whole.parse::<u128>().ok()?.checked_mul(unit)?;
    let part = fraction.parse::<u128>().ok()?.checked_mul(unit)?;
    (part % denominator == 0)
        .then(|| part / denominator)
        .and_then(|part| whole.checked_add(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Unit>(text: &str) -> Result<T, String> {
        T::read(&Value::String(text.to_owned()))
    }

    #[test]
    fn durations_are_exact() {
        for (text, nanos) in [
            ("1s", 1_000_000_000),
            ("500ms", 500_000_000),
            ("2m", 120_000_000_000),
            ("1.5s", 1_500_000_000),
            ("1m30s", 90_000_000_000),
            ("40.95s", 40_950_000_000),
            ("250us", 250_000),
            ("0s", 0),
            ("1d", 86_400_000_000_000),
        ] {
            assert_eq!(read(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_says_how_to_write_one() {
        for text in [
            "", "5", "s", "5 s", "-1s", "1.2.3s", ".5s", "5x", "1s5", "∞",
        ] {
            assert!(read::<Duration>(text).is_err(), "{text}");
        }
        assert!(read::<Duration>("999999999999999999999d").is_err());
        let bare = Duration::read(&Value::Integer(6)).unwrap_err();
        assert!(bare.contains("write \"6s\""), "{bare}");
    }

    #[test]
    fn sizes() {
        assert_eq!(read("1MiB"), Ok(Bytes(1_048_576)));
        assert_eq!(read("1.5 KiB"), Ok(Bytes(1_536)));
        assert_eq!(read("10kB"), Ok(Bytes(10_000)));
        for text in ["", "1", "MiB", "1mib", "0.3B", "99999999999999GiB"] {
            assert!(read::<Bytes>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for nanos in [
            0,
            1_000,
            10_000_000,
            1_500_000_000,
            40_950_000_000,
            90_000_000_000,
        ] {
            let value = Duration::from_nanos(nanos);
            assert_eq!(read(&value.show()), Ok(value), "{}", value.show());
        }
        for bytes in [0, 1, 1_024, 1_025, 1 << 20, 3 << 30] {
            assert_eq!(read(&Bytes(bytes).show()), Ok(Bytes(bytes)));
        }
        assert_eq!(Duration::from_millis(40_950).show(), "40.95s");
        assert_eq!(Duration::from_secs(5).show(), "5s");
    }
}
