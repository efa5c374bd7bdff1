//! The child that sends one letter: the only part of this worker that meets the network.
//!
//! Encryption: what the configuration says. Where it only says "if the server offers it",
//! the server's certificate is not looked at, since whoever could forge it could as well
//! take the offer away; but a password is never sent then: with one, encryption and a good
//! certificate are required.

use std::io::Read;
use std::time::{Duration, UNIX_EPOCH};

use lettre::Transport;
use lettre::address::AddressError;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{self, SmtpTransport};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::kernel::identity;
use crate::model::{Mail, MailTls};
use crate::telling::Letter;

/// Exit status: it may work later (`EX_TEMPFAIL` of sysexits.h).
pub(super) const TEMPORARY: u8 = 75;
/// Exit status: it will not (`EX_DATAERR`).
const HOPELESS: u8 = 65;
/// The longest envelope, in octets.
const LONGEST: u64 = 1 << 20;
/// Whom the child becomes where there is no user `nobody`.
const NOBODY: u32 = 65_534;

/// A letter and how it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Envelope {
    pub(super) mail: Mail,
    pub(super) letter: Letter,
}

#[derive(Debug, Error)]
enum Error {
    #[error("cannot {0}: {1}")]
    Privileges(&'static str, nix::errno::Errno),
    #[error("cannot read the letter: {0}")]
    Letter(#[from] std::io::Error),
    #[error("cannot understand the letter: {0}")]
    Format(#[from] serde_json::Error),
    #[error("{0:?} is not a mail address: {1}")]
    Address(String, AddressError),
    #[error("cannot write the message: {0}")]
    Message(#[from] lettre::error::Error),
    #[error("{server}: {source}")]
    Smtp { server: String, source: smtp::Error },
}

impl Error {
    fn is_hopeless(&self) -> bool {
        match self {
            Self::Address(..) | Self::Message(_) | Self::Format(_) => true,
            Self::Privileges(..) | Self::Letter(_) => false,
            // That the server does not know us is no fault of the letter's.
            Self::Smtp { source, .. } => {
                let login = |code: smtp::response::Code| code.to_string().starts_with("53");
                source.is_permanent() && !source.status().is_some_and(login)
            }
        }
    }
}

/// Sends the letter on standard input; the exit status.
#[must_use]
pub fn send_mail() -> u8 {
    match send() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{}", whole(&error));
            if error.is_hopeless() {
                HOPELESS
            } else {
                TEMPORARY
            }
        }
    }
}

/// An error with all that caused it, in one line.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn send() -> Result<(), Error> {
    if crate::kernel::privilege::is_root() {
        let nobody = identity::look_up("nobody", None);
        let (uid, gid) = nobody.map_or((NOBODY, NOBODY), |found| (found.uid, found.gid));
        identity::become_user(uid, gid, &[gid])
            .map_err(|(attempt, errno)| Error::Privileges(attempt, errno))?;
    }
    let mut text = Vec::new();
    std::io::stdin().take(LONGEST).read_to_end(&mut text)?;
    let Envelope { mail, letter } = serde_json::from_slice(&text)?;
    let host = mail.helo_name.clone().unwrap_or_else(host_name);
    let message = message(&mail, &letter, &host)?;
    let failed = |source| Error::Smtp {
        server: mail.server.clone(),
        source,
    };
    let mut transport = SmtpTransport::builder_dangerous(&mail.server)
        .port(mail.port)
        .tls(tls(&mail).map_err(failed)?)
        .hello_name(ClientId::Domain(host))
        .timeout(Some(mail.timeout));
    if let Some((user, password)) = &mail.login {
        transport = transport.credentials(Credentials::new(user.clone(), password.0.clone()));
    }
    transport.build().send(&message).map_err(failed)?;
    Ok(())
}

fn host_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

fn message(mail: &Mail, letter: &Letter, host: &str) -> Result<Message, Error> {
    let mailbox = |text: &String| {
        let parsed = text.parse::<Mailbox>();
        parsed.map_err(|error| Error::Address(text.clone(), error))
    };
    let id = format!("<{}.{}@{host}>", letter.at, letter.sequence);
    let mut message = Message::builder()
        .from(mailbox(&mail.from)?)
        .subject(&letter.subject)
        .date(UNIX_EPOCH + Duration::from_secs(letter.at))
        .message_id(Some(id))
        .header(ContentType::TEXT_PLAIN);
    for to in &mail.to {
        message = message.to(mailbox(to)?);
    }
    Ok(message.body(letter.body.clone())?)
}

fn tls(mail: &Mail) -> Result<Tls, smtp::Error> {
    let strict = || TlsParameters::new(mail.server.clone());
    Ok(match mail.tls {
        MailTls::None => Tls::None,
        MailTls::Opportunistic if mail.login.is_none() => Tls::Opportunistic(
            TlsParameters::builder(mail.server.clone())
                .dangerous_accept_invalid_certs(true)
                .dangerous_accept_invalid_hostnames(true)
                .build()?,
        ),
        MailTls::Opportunistic | MailTls::Starttls => Tls::Required(strict()?),
        MailTls::Tls => Tls::Wrapper(strict()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Mail {
        Mail {
            server: "mail.example.com".into(),
            port: 25,
            tls: MailTls::None,
            login: None,
            from: "Director <lvsd@example.com>".into(),
            to: vec!["a@example.com".into(), "B <b@example.com>".into()],
            helo_name: None,
            timeout: Duration::from_secs(1),
            no_faults: false,
        }
    }

    fn letter() -> Letter {
        Letter {
            subject: "[lb01] VRRP Instance web - Entering MASTER state".into(),
            body: "=> VRRP Instance is now owning VRRP VIPs <=\n".into(),
            at: 1_700_000_000,
            sequence: 7,
        }
    }

    #[test]
    fn a_message_has_all_that_a_message_needs() {
        let message = message(&mail(), &letter(), "lb01").unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        for header in [
            "From: Director <lvsd@example.com>\r\n",
            "To: a@example.com, B <b@example.com>\r\n",
            "Subject: [lb01] VRRP Instance web - Entering MASTER state\r\n",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
            "Message-ID: <1700000000.7@lb01>\r\n",
        ] {
            assert!(text.contains(header), "{header} is not in {text}");
        }
        assert!(text.ends_with("\r\n\r\n=> VRRP Instance is now owning VRRP VIPs <=\r\n"));
    }

    #[test]
    fn a_bad_address_is_hopeless_and_named() {
        let mail = Mail {
            to: vec!["nobody at all".into()],
            ..mail()
        };
        let error = message(&mail, &letter(), "lb01").unwrap_err();
        assert!(error.is_hopeless());
        assert!(
            error
                .to_string()
                .starts_with("\"nobody at all\" is not a mail address")
        );
    }

    #[test]
    fn a_password_is_never_sent_in_the_clear_unless_that_was_ordered() {
        let login = Some(("u".into(), crate::model::Secret("p".into())));
        let tls_of = |tls, login| {
            tls_kind(
                &super::tls(&Mail {
                    tls,
                    login,
                    ..mail()
                })
                .unwrap(),
            )
        };
        assert_eq!(tls_of(MailTls::Opportunistic, None), "opportunistic");
        assert_eq!(tls_of(MailTls::Opportunistic, login.clone()), "required");
        assert_eq!(tls_of(MailTls::Starttls, None), "required");
        assert_eq!(tls_of(MailTls::Tls, login), "wrapper");
        assert_eq!(tls_of(MailTls::None, None), "none");
    }

    fn tls_kind(tls: &Tls) -> &'static str {
        match tls {
            Tls::None => "none",
            Tls::Opportunistic(_) => "opportunistic",
            Tls::Required(_) => "required",
            Tls::Wrapper(_) => "wrapper",
        }
    }
}
