//! Who sits in a director's seat: lvsd, or a peer for interoperability and comparison.

mod frr;
mod keepalived;
mod lvsd;
mod seated;
mod settings;

pub use frr::Frr;
pub use keepalived::{keepalived, reload_keepalived};
pub use lvsd::Lvsd;
pub use seated::{Product, Seated};
pub use settings::{Auth, Unicast, Vrrp, keepalived_file};

use std::fmt::Write;

use crate::site::VIP;

/// The site's pool in lvsd's words, with these lines as its check.
#[must_use]
pub fn pool(check: &str) -> String {
    format!(
        "
[virtual_server.web]
address = \"{VIP}:80\"
scheduler = \"rr\"

[[virtual_server.web.check]]
{check}

[[virtual_server.web.real_server]]
address = \"172.17.1.152:80\"

[[virtual_server.web.real_server]]
address = \"172.17.1.153:80\"
"
    )
}

/// A TCP check that is quick to notice.
pub const QUICK_TCP: &str = "type = \"tcp\"
interval = \"1s\"
connect_timeout = \"1s\"
retries = 1
retry_delay = \"500ms\"";

/// A table of `services` services with `servers` real servers each, for lvsd and for keepalived.
/// The weight of the very first server is `weight`.
#[must_use]
pub fn large_table(services: usize, servers: usize, weight: u32) -> (String, String) {
    let (mut toml, mut conf) = (String::new(), String::new());
    for service in 0..services {
        let (high, low) = (service / 200, service % 200 + 1);
        // Writing to a string cannot fail.
        let _ = write!(
            toml,
            "[virtual_server.s{service}]\naddress = \"10.1.{high}.{low}:80\"\nscheduler = \"rr\"\n"
        );
        let _ = write!(
            conf,
            "virtual_server 10.1.{high}.{low} 80 {{\n    lb_algo rr\n    lb_kind DR\n    protocol TCP\n"
        );
        for server in 0..servers {
            let weight = if (service, server) == (0, 0) {
                weight
            } else {
                1
            };
            let address = format!("10.2.{server}.{}", service % 250 + 1);
            let _ = write!(
                toml,
                "[[virtual_server.s{service}.real_server]]\naddress = \"{address}:80\"\nweight = {weight}\n"
            );
            let _ = write!(
                conf,
                "    real_server {address} 80 {{\n        weight {weight}\n    }}\n"
            );
        }
        conf.push_str("}\n");
    }
    (toml, conf)
}
