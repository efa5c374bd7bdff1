//! Authentication.

use std::collections::HashSet;
use std::time::Duration;

use super::super::super::findings::{Code, Findings};
use super::super::super::raw::{Span, Spanned, Table, Value};
use super::super::super::schema::{self, AuthType, ReplayWord};
use super::super::super::section::{self, Section};
use super::super::byte;
use super::transport::no_effect;
use crate::model::{
    AntiReplay, AuthPass, Authentication, Family, HmacAuth, HmacKey, Version, defaults,
};

/// How long a secret may be, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 32..=64;

/// What else of the instance decides about it.
pub(super) struct Around {
    pub(super) version: Version,
    pub(super) family: Family,
    pub(super) advert_interval: Duration,
}

/// Reads `auth_pass` and `authentication`.
pub(super) fn read(
    section: &Section<'_>,
    around: &Around,
    findings: &mut Findings,
) -> Authentication {
    let short = section.free(&schema::AUTH_PASS);
    let long = section.free(&schema::AUTHENTICATION);
    let auth = match (short, long) {
        (Some(raw), None) => password("auth_pass", raw, findings).map(Authentication::Pass),
        (_, Some(raw)) => {
            if let Some(short) = short {
                let message = "auth_pass is already said by authentication".to_owned();
                let help = "remove auth_pass".to_owned();
                findings.error_help(Code::Conflict, short.span, message, help);
            }
            from_table(raw, around, findings)
        }
        (None, None) => return Authentication::None,
    };
    let auth = auth.unwrap_or_default();
    let at = short.or(long).map_or(section.at(), |raw| raw.span);
    allowed(&auth, around, at, findings);
    auth
}

fn allowed(auth: &Authentication, around: &Around, at: Span, findings: &mut Findings) {
    let old = matches!(auth, Authentication::Pass(_) | Authentication::Ah(_));
    if !old || around.version == Version::V2 {
        return;
    }
    let (message, help) = match around.family {
        Family::Ipv4 => ("VRRP version 3 has no passwords", "write version = 2, or "),
        Family::Ipv6 => ("VRRP over IPv6 has no passwords", "write "),
    };
    let help = format!("{help}authentication = {{ type = \"hmac\", ... }}");
    findings.error_help(Code::Conflict, at, message.to_owned(), help);
}

fn from_table(
    raw: &Spanned<Value>,
    around: &Around,
    findings: &mut Findings,
) -> Option<Authentication> {
    let table = section::table(schema::AUTH_ANY.header, raw, findings)?;
    let kind = auth_type(table, raw.span, findings)?;
    let kind_of_table = match kind {
        AuthType::Pass | AuthType::Ah => &schema::AUTH_OLD,
        AuthType::Hmac => &schema::AUTH_HMAC,
    };
    let section = Section::open(table, raw.span, kind_of_table, findings);
    if kind == AuthType::Hmac {
        return Some(Authentication::Hmac(hmac(&section, around, findings)));
    }
    let written = section.required(&schema::AUTH_PASSWORD, findings)?;
    let password = password("password", written, findings)?;
    Some(match kind {
        AuthType::Ah => {
            findings.around.inline_secret(written.span);
            Authentication::Ah(password)
        }
        AuthType::Pass | AuthType::Hmac => Authentication::Pass(password),
    })
}

/// The type, looked at before the table is opened: it decides which keys there are.
fn auth_type(table: &Table, at: Span, findings: &mut Findings) -> Option<AuthType> {
    let only_type = table.only(schema::AUTH_TYPE.name);
    Section::open(&only_type, at, &schema::AUTH_ANY, findings).choice(&schema::AUTH_TYPE, findings)
}

fn password(name: &str, raw: &Spanned<Value>, findings: &mut Findings) -> Option<AuthPass> {
    let text = section::string(name, raw, findings)?;
    AuthPass::try_from(text.to_owned())
        .map_err(|error| {
            let message = format!("{name} must have 1..=8 bytes: {error}");
            findings.error(Code::OutOfRange, raw.span, message);
        })
        .ok()
}

fn hmac(section: &Section<'_>, around: &Around, findings: &mut Findings) -> HmacAuth {
    let keys = section
        .required(&schema::HMAC_KEYS, findings)
        .map(|raw| keys(raw, findings))
        .unwrap_or_default();
    HmacAuth {
        active_key: active_key(section, &keys, findings),
        keys,
        mode: section
            .choice(&schema::HMAC_MODE, findings)
            .unwrap_or(defaults::HMAC_MODE),
        anti_replay: anti_replay(section, around, findings),
    }
}

fn anti_replay(section: &Section<'_>, around: &Around, findings: &mut Findings) -> AntiReplay {
    let window = section.get(&schema::TIME_WINDOW, findings);
    if section.choice(&schema::ANTI_REPLAY, findings) == Some(ReplayWord::Monotonic) {
        if window.is_some() {
            let why = "with anti_replay = \"monotonic\"";
            no_effect(section, schema::TIME_WINDOW.name, why, findings);
        }
        return AntiReplay::Monotonic;
    }
    let (least, intervals) = defaults::HMAC_TIME_WINDOW;
    let usual = around.advert_interval.saturating_mul(intervals).max(least);
    AntiReplay::Time(window.unwrap_or(usual.min(schema::TIME_WINDOW.max)))
}

fn active_key(section: &Section<'_>, keys: &[HmacKey], findings: &mut Findings) -> u8 {
    let ids = || {
        let ids: Vec<_> = keys.iter().map(|key| key.id.to_string()).collect();
        ids.join(", ")
    };
    match (section.get(&schema::ACTIVE_KEY, findings).map(byte), keys) {
        (None, [key]) => key.id,
        (None, keys) => {
            if keys.len() > 1 {
                let message = "active_key is needed where there is more than one key".to_owned();
                let help = format!("it is one of {}", ids());
                findings.error_help(Code::MissingKey, section.at(), message, help);
            }
            0
        }
        (Some(id), keys) => {
            if !keys.is_empty() && !keys.iter().any(|key| key.id == id) {
                let span = section.value_span(schema::ACTIVE_KEY.name);
                let message = format!("there is no key with the id {id}");
                findings.error_help(Code::BadValue, span, message, format!("ids are {}", ids()));
            }
            id
        }
    }
}

fn keys(raw: &Spanned<Value>, findings: &mut Findings) -> Vec<HmacKey> {
    let items = section::list(schema::HMAC_KEYS.name, raw, findings);
    if matches!(&raw.value, Value::Array(items) if items.is_empty()) {
        let message = "keys must have at least one key".to_owned();
        findings.error(Code::OutOfRange, raw.span, message);
    }
    let mut ids = HashSet::new();
    let mut keys = Vec::new();
    for item in items {
        let Some(table) = section::table(schema::HMAC_KEY.header, item, findings) else {
            continue;
        };
        let section = Section::open(table, item.span, &schema::HMAC_KEY, findings);
        let id = byte(section.value(&schema::KEY_ID, findings));
        if section.good(&schema::KEY_ID) && !ids.insert(id) {
            let span = section.value_span(schema::KEY_ID.name);
            findings.error(Code::Duplicate, span, format!("the id {id} comes twice"));
        }
        if let Some(secret) = secret(&section, findings) {
            keys.push(HmacKey { id, secret });
        }
    }
    keys
}

fn secret(section: &Section<'_>, findings: &mut Findings) -> Option<Vec<u8>> {
    let all = [&schema::SECRET, &schema::SECRET_HEX, &schema::SECRET_FILE];
    let mut written = all
        .into_iter()
        .filter_map(|key| section.free(key).map(|raw| (key, raw)));
    let Some((key, raw)) = written.next() else {
        let message = "the key has no secret".to_owned();
        let help = "add secret, secret_hex or secret_file".to_owned();
        findings.error_help(Code::MissingKey, section.at(), message, help);
        return None;
    };
    if let Some((other, twice)) = written.next() {
        let message = format!("{} beside {}", other.name, key.name);
        let help = "a key has one secret".to_owned();
        findings.error_help(Code::Conflict, twice.span, message, help);
    }
    let text = section::string(key.name, raw, findings)?;
    let secret = if key.name == schema::SECRET_FILE.name {
        super::super::secret_file(text, raw.span, findings)?
    } else {
        findings.around.inline_secret(raw.span);
        if key.name == schema::SECRET_HEX.name {
            hexadecimal(text, raw.span, findings)?
        } else {
            text.as_bytes().to_vec()
        }
    };
    if !SECRET_BYTES.contains(&secret.len()) {
        let message = format!(
            "a secret must have 32..=64 bytes, this has {}",
            secret.len()
        );
        let help = "make one with: openssl rand -hex 32".to_owned();
        findings.error_help(Code::OutOfRange, raw.span, message, help);
        return None;
    }
    Some(secret)
}

fn hexadecimal(text: &str, span: Span, findings: &mut Findings) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let octets: Option<Vec<u8>> = pairs
        .map(|pair| {
            let [high, low] = <[u8; 2]>::try_from(pair).ok()?;
            let digit = |byte| char::from(byte).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok()
        })
        .collect();
    if octets.is_none() {
        let message = "secret_hex must be pairs of hexadecimal digits".to_owned();
        findings.error(Code::BadValue, span, message);
    }
    octets
}
