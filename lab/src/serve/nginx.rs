//! nginx with one page.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::failure::Result;
use crate::net::{Daemon, Host};
use crate::watch::eventually;

/// A web server that answers every request with its name.
#[derive(Clone)]
pub struct Nginx {
    host: Host,
    daemon: Daemon,
}

impl Nginx {
    /// Starts nginx on port 80 of every address, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(host: &Host, name: &str) -> Result<Self> {
        host.write("/run/nginx.conf", &configuration(name))?;
        let daemon = host.spawn("nginx", &["nginx", "-c", "/run/nginx.conf"])?;
        eventually(Duration::from_secs(5), "nginx to answer", || {
            super::curl(host, "http://127.0.0.1/")
        })?;
        Ok(Self {
            host: host.clone(),
            daemon,
        })
    }

    /// Stops it; connections to its port are refused from then on.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&self) -> Result<()> {
        self.daemon.kill_group(Signal::SIGKILL);
        self.daemon.wait(Duration::from_secs(2))?;
        eventually(Duration::from_secs(2), "nginx to be gone", || {
            let left = self.host.run(["ss", "-Hltn", "sport", "=", ":80"])?.stdout;
            crate::ensure!(left.is_empty(), "still listening: {left}");
            Ok(())
        })
    }
}

pub(crate) fn configuration(name: &str) -> String {
    format!(
        "daemon off;
master_process off;
pid /run/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path /tmp/nginx-body;
    proxy_temp_path /tmp/nginx-proxy;
    fastcgi_temp_path /tmp/nginx-fastcgi;
    uwsgi_temp_path /tmp/nginx-uwsgi;
    scgi_temp_path /tmp/nginx-scgi;
    server {{
        listen 80 default_server;
        listen 8080 default_server;
        listen [::]:80 default_server;
        location / {{ return 200 \"{name}\\n\"; }}
    }}
}}
"
    )
}
