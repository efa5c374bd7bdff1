//! `[global]`.

use super::super::findings::{Code, Findings};
use super::super::raw::{Spanned, Value};
use super::super::schema::{Free, global as keys};
use super::super::section::{self, Section};
use super::{command, optional_name, secret_file};
use crate::model::{Fifo, Global, Mail, MailTls, Notification, Secret, defaults};

/// Reads the settings of the whole director.
pub(super) fn read(section: &Section<'_>, findings: &mut Findings) -> Global {
    Global {
        router_id: optional_name(section, &keys::ROUTER_ID, findings),
        ipvs_on_stop: section
            .choice(&keys::IPVS_ON_STOP, findings)
            .unwrap_or(defaults::IPVS_ON_STOP),
        startup_delay: section.value(&keys::STARTUP_DELAY, findings),
        delay_after_boot: section.value(&keys::DELAY_AFTER_BOOT, findings),
        log_unknown_vrids: section.flag(&keys::LOG_UNKNOWN_VRIDS, findings),
        notification: Notification {
            script_user: command::run_as(section, &keys::SCRIPT_USER, findings),
            script_security: section.flag(&keys::SCRIPT_SECURITY, findings),
            fifo: fifo(section, &keys::NOTIFY_FIFO, findings),
            vrrp_fifo: fifo(section, &keys::VRRP_NOTIFY_FIFO, findings),
            lvs_fifo: lvs_fifo(section, findings),
            mail: mail(section, findings),
        },
    }
}

fn fifo(section: &Section<'_>, key: &Free, findings: &mut Findings) -> Option<Fifo> {
    let table = section.sub(key, &keys::FIFO_TABLE, findings)?;
    let owner = command::run_as(&table, &keys::FIFO_OWNER, findings);
    let script = command::endless(&table, &keys::FIFO_SCRIPT, findings);
    let raw = table.required(&keys::FIFO_PATH, findings)?;
    Some(Fifo {
        path: command::path(&keys::FIFO_PATH, raw, findings)?,
        owner,
        script,
    })
}

/// Nothing is written into it yet.
fn lvs_fifo(section: &Section<'_>, findings: &mut Findings) -> Option<Fifo> {
    let found = fifo(section, &keys::LVS_NOTIFY_FIFO, findings)?;
    let name = keys::LVS_NOTIFY_FIFO.name;
    findings.warning(
        Code::NoEffect,
        section.value_span(name),
        format!("{name} has no effect yet: nothing is said of virtual and real servers"),
        "remove it, or do not wait for anything from it".to_owned(),
    );
    Some(found)
}

fn mail(section: &Section<'_>, findings: &mut Findings) -> Option<Mail> {
    let table = section.sub(&keys::MAIL, &keys::MAIL_TABLE, findings)?;
    let tls = table.choice(&keys::MAIL_TLS, findings);
    let tls = tls.unwrap_or(defaults::MAIL_TLS);
    let login = login(&table, tls, findings);
    let helo_name = optional_name(&table, &keys::MAIL_HELO_NAME, findings);
    let timeout = table.value(&keys::MAIL_TIMEOUT, findings);
    let no_faults = table.flag(&keys::MAIL_NO_FAULTS, findings);
    let from = table
        .required(&keys::MAIL_FROM, findings)
        .and_then(|raw| mailbox(keys::MAIL_FROM.name, raw, findings));
    let to = table
        .required(&keys::MAIL_TO, findings)
        .map(|raw| recipients(raw, findings));
    let raw = table.required(&keys::MAIL_SERVER, findings)?;
    let (server, port) = server(raw, findings)?;
    Some(Mail {
        server,
        port: port.unwrap_or(match tls {
            MailTls::None | MailTls::Opportunistic => 25,
            MailTls::Starttls => 587,
            MailTls::Tls => 465,
        }),
        tls,
        login,
        from: from?,
        to: to?,
        helo_name,
        timeout,
        no_faults,
    })
}

/// `HOST`, `HOST:PORT`, `IP`, `[IPV6]:PORT`.
fn server(raw: &Spanned<Value>, findings: &mut Findings) -> Option<(String, Option<u16>)> {
    let text = section::string(keys::MAIL_SERVER.name, raw, findings)?;
    let alone = text.parse::<std::net::IpAddr>().is_ok();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !alone => (host, Some(port)),
        _ => (text, None),
    };
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let number = port.map(|port| port.parse::<u16>().ok().filter(|port| *port != 0));
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(name) || number == Some(None) {
        let message = format!("\"{text}\" is not a host and port");
        let help = "write it like \"mail.example.com:25\"".to_owned();
        findings.error_help(Code::BadValue, raw.span, message, help);
        return None;
    }
    Some((host.to_owned(), number.flatten()))
}

fn login(table: &Section<'_>, tls: MailTls, findings: &mut Findings) -> Option<(String, Secret)> {
    let user = table
        .free(&keys::MAIL_USER)
        .and_then(|raw| section::string(keys::MAIL_USER.name, raw, findings));
    let password = password(table, findings);
    match (user, password) {
        (Some(user), Some(password)) => {
            if matches!(tls, MailTls::None | MailTls::Opportunistic) {
                findings.warning(
                    Code::Suspicious,
                    table.value_span(keys::MAIL_USER.name),
                    "the password may travel in clear".to_owned(),
                    "write tls = \"starttls\" or tls = \"tls\"".to_owned(),
                );
            }
            Some((user.to_owned(), Secret(password)))
        }
        (None, None) => None,
        (user, _) => {
            if !table.has(keys::MAIL_USER.name) || user.is_some() {
                let message = "user and password belong together".to_owned();
                findings.error(Code::MissingKey, table.at(), message);
            }
            None
        }
    }
}

fn password(table: &Section<'_>, findings: &mut Findings) -> Option<String> {
    let (inline, file) = (
        table.free(&keys::MAIL_PASSWORD),
        table.free(&keys::MAIL_PASSWORD_FILE),
    );
    if let (Some(_), Some(file)) = (inline, file) {
        let message = "password_file beside password".to_owned();
        findings.error(Code::Conflict, file.span, message);
    }
    if let Some(raw) = inline {
        findings.around.inline_secret(raw.span);
        return section::string(keys::MAIL_PASSWORD.name, raw, findings).map(str::to_owned);
    }
    let raw = file?;
    let path = section::string(keys::MAIL_PASSWORD_FILE.name, raw, findings)?;
    let secret = String::from_utf8(secret_file(path, raw.span, findings)?).ok();
    if secret.is_none() {
        findings.error(
            Code::BadValue,
            raw.span,
            "the password is not UTF-8".to_owned(),
        );
    }
    secret
}

fn recipients(raw: &Spanned<Value>, findings: &mut Findings) -> Vec<String> {
    let Value::Array(items) = &raw.value else {
        return mailbox(keys::MAIL_TO.name, raw, findings)
            .into_iter()
            .collect();
    };
    if items.is_empty() {
        findings.error(
            Code::OutOfRange,
            raw.span,
            "to must have a recipient".to_owned(),
        );
    }
    items
        .iter()
        .filter_map(|item| mailbox(keys::MAIL_TO.name, item, findings))
        .collect()
}

/// `a@example.com` or `Name <a@example.com>`.
fn mailbox(name: &str, raw: &Spanned<Value>, findings: &mut Findings) -> Option<String> {
    let text = section::string(name, raw, findings)?;
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.trim_end().strip_suffix('>'),
        None => Some(text),
    };
    let good = address
        .and_then(|address| address.rsplit_once('@'))
        .is_some_and(|(local, host)| {
            let bad = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '@');
            !local.is_empty() && !host.is_empty() && !local.contains(bad) && !host.contains(bad)
        });
    if !good || text.contains(char::is_control) {
        let message = format!("{name}: \"{text}\" is not a mail address");
        let help = "write it like \"lvs@example.com\" or \"LVS <lvs@example.com>\"".to_owned();
        findings.error_help(Code::BadValue, raw.span, message, help);
        return None;
    }
    Some(text.to_owned())
}
