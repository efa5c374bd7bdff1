//! Whose hardware address a sender has, for reports: on a thread of its own, because
//! closing a packet socket waits for the kernel.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc::{Sender, UnboundedSender, channel};

use super::messages::ToAdverts;
use crate::kernel::packet;

/// How long the next packet of a sender is waited for.
const WAIT: Duration = Duration::from_secs(3);
/// Questions that wait for an answer; others get none.
const QUESTIONS: usize = 16;

/// A question: who sends from this address on the interface of this index?
pub type Question = (u32, IpAddr);

/// Starts the thread. The answers go to the advert thread.
///
/// # Errors
///
/// When the thread or its runtime cannot be made.
pub fn spawn(to_adverts: UnboundedSender<ToAdverts>) -> io::Result<Sender<Question>> {
    let (questions_in, mut questions) = channel::<Question>(QUESTIONS);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = async move {
        while let Some((index, from)) = questions.recv().await {
            match packet::sender_mac(index, from, WAIT).await {
                Ok(Some(mac)) => {
                    let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
                    // The advert thread ends only with the process.
                    let _ = to_adverts.send(ToAdverts::Sender { from, mac });
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(event = "sender_not_identified", %from, %error),
            }
        }
    };
    std::thread::Builder::new()
        .name("identify".into())
        .spawn(move || runtime.block_on(answer))?;
    Ok(questions_in)
}
