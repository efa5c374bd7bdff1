//! What is shown to people: the demo and the shell.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::BINARY;
use super::verbs::{self, Plan};
use crate::failure::{Attempt, Result};
use crate::job::{Event, GUEST_DIR};
use crate::net::Lab;
use crate::seat::{Lvsd, Vrrp, pool};
use crate::serve::Nginx;
use crate::site::{self, INTERFACE, Site, VIP};
use crate::watch::{Load, eventually};

const INTERVAL: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);

/// A TCP check quick enough to watch.
const CHECK: &str = "type = \"tcp\"
interval = \"1s\"
connect_timeout = \"1s\"
retries = 1
retry_delay = \"1s\"";

fn configuration(priority: u8) -> String {
    let name = if priority > 100 { "d1" } else { "d2" };
    format!("[global]\nrouter_id = \"{name}\"\n\n")
        + &Vrrp::v3(priority, INTERVAL).toml()
        + &pool(CHECK)
}

/// Says lines of the story; the machine prints them.
fn say(text: &str) -> Result<()> {
    text.lines().try_for_each(|line| {
        Event::Said {
            line: line.to_owned(),
        }
        .tell(Path::new(GUEST_DIR))
    })
}

fn step(number: u32, text: &str) -> Result<()> {
    say(&format!("\n{number}. {text}\n "))
}

/// Shows a command and its real output.
fn show(host: &str, command: &str, output: &str) -> Result<()> {
    say(&format!("   {host}$ {command}"))?;
    output
        .trim_end()
        .lines()
        .try_for_each(|line| say(&format!("   {line}")))
}

/// The stage of the demo: the site and who plays.
struct Stage {
    site: Site,
    d1: Lvsd,
    d2: Lvsd,
}

/// Tells the story of a server that dies and of a failover, with real output.
pub fn demo(lab: &mut Lab) -> Result<()> {
    say("A client, two directors d1 and d2, and two web servers, each a host of its own on one")?;
    say(&format!(
        "Linux kernel with IPVS. The directors share the virtual address {VIP}."
    ))?;
    let site = Site::build(lab)?;
    let [web, _other] = site.web()?;

    step(
        1,
        "lvsd starts on both directors; the one with the higher priority becomes master.",
    )?;
    let d1 = Lvsd::start(lab, &site.directors.d1.host, &configuration(150))?;
    let d2 = Lvsd::start(lab, &site.directors.d2.host, &configuration(100))?;
    d1.wait_for("MASTER", PATIENCE)?;
    let stage = Stage { site, d1, d2 };
    stage.wait_for_servers(2)?;
    stage.show_status(&stage.d1)?;
    let command = ["ip", "-br", "addr", "show", "dev", INTERFACE];
    show(
        "d1",
        &command.join(" "),
        &stage.d1.host.run(command)?.stdout,
    )?;

    step(2, "Both web servers are in the kernel's table.")?;
    stage.show_table()?;

    step(3, "The client's requests alternate between them.")?;
    stage.show_requests(10)?;

    step(4, "The web server on rs1 dies, and leaves the pool.")?;
    let death = Instant::now();
    web.stop()?;
    stage.wait_for_servers(1)?;
    say(&format!(
        "   (out after {:.1} s)",
        death.elapsed().as_secs_f64()
    ))?;
    stage.show_table()?;
    stage.show_requests(4)?;

    step(5, "It returns, and is back in the pool.")?;
    let _web = Nginx::start(&stage.site.rs1.host, "rs1")?;
    let birth = Instant::now();
    stage.wait_for_servers(2)?;
    say(&format!(
        "   (back after {:.1} s)",
        birth.elapsed().as_secs_f64()
    ))?;
    stage.show_requests(4)?;

    failover(lab, stage)
}

fn failover(lab: &Lab, stage: Stage) -> Result<()> {
    step(
        6,
        "The master's power fails: its cable goes dead and its processes with it.",
    )?;
    let Stage { site, d1, d2 } = stage;
    let death = Instant::now();
    site.directors.d1.cable.pull()?;
    d1.cut_power();
    site.directors.d1.host.run_list(&[
        "ip",
        "addr",
        "flush",
        "to",
        "172.17.1.160/32",
        "dev",
        INTERFACE,
    ])?;
    eventually(PATIENCE, "d2 to hold the VIP", || {
        crate::ensure!(d2.host.holds(INTERFACE, VIP)?, "it does not");
        Ok(())
    })?;
    let took = death.elapsed().as_secs_f64();
    say(&format!("   (d2 holds {VIP} {took:.1} s later)"))?;
    d2.wait_for("MASTER", PATIENCE)?;
    show_status(&d2)?;
    show_requests(&site, 6)?;

    step(
        7,
        "d1 comes back, and takes over again while requests go on.",
    )?;
    let (every, limit) = (Duration::from_millis(20), Duration::from_secs(1));
    let load = Load::start(&site.client.host, site::service(), every, limit)?;
    site.directors.d1.cable.mend()?;
    site.directors.d1.host.wait_for_carrier(INTERFACE)?;
    let d1 = Lvsd::start(lab, &site.directors.d1.host, &configuration(150))?;
    d1.wait_for("MASTER", PATIENCE)?;
    d2.wait_for("BACKUP", PATIENCE)?;
    let stage = Stage { site, d1, d2 };
    stage.wait_for_servers(2)?;
    let report = load.stop()?;
    say(&format!(
        "   (meanwhile the client asked every 20 ms: {} answers, {} failures)",
        report.answered(),
        report.failures.len()
    ))?;
    stage.show_requests(6)?;
    stage.show_status(&stage.d1)?;
    stage.show_status(&stage.d2)?;
    say("\nThat was a real kernel's IPVS. `cargo lab shell` leaves you inside such a site;")?;
    say("`cargo lab test` proves much more.")
}

impl Stage {
    fn wait_for_servers(&self, count: usize) -> Result<()> {
        for director in [&self.d1, &self.d2] {
            let what = format!("{count} servers in the table of {}", director.host.name());
            eventually(PATIENCE, &what, || {
                let table = director.host.run(["ipvsadm", "-Ln"])?.stdout;
                crate::ensure!(table.matches("Route").count() == count, "{table}");
                Ok(())
            })?;
        }
        Ok(())
    }

    fn show_table(&self) -> Result<()> {
        let table = self.d1.host.run(["ipvsadm", "-Ln"])?.stdout;
        show("d1", "ipvsadm -Ln", &table)
    }

    fn show_status(&self, director: &Lvsd) -> Result<()> {
        show_status(director)
    }

    fn show_requests(&self, count: usize) -> Result<()> {
        show_requests(&self.site, count)
    }
}

fn show_status(director: &Lvsd) -> Result<()> {
    let status = director.command(&["status"])?.stdout;
    show(director.host.name(), "lvsd status", &status)
}

fn show_requests(site: &Site, count: usize) -> Result<()> {
    let answers: Vec<String> = (0..count).map(|_| site.curl()).collect::<Result<_>>()?;
    let command = format!("curl http://{VIP}/        ({count} times)");
    show("client", &command, &answers.join(" "))
}

const WELCOME: &str = "
The site is running: d1 and d2 (directors with lvsd, d1 is master), rs1 and rs2 (nginx), client.

  on client curl http://172.17.1.160/     a command on a host
  on d1 lvsd status                       what the director says
  on d1 ipvsadm -Ln                       the kernel's table
  on d1                                   a shell on a host; `exit` leaves it
  stop d1, start d1                       end and start a host's service (also rs1, rs2)
  crash d1, start d1                      cut a host's power, and bring it back
  on d2 tcpdump -ni eth0 vrrp             advertisements; Ctrl-C ends it

The configuration is /run/lab/lvsd.toml on each director; `on d1 lvsd reload` applies a change.
`exit` ends the site.
";

/// Leaves the user inside the running site.
pub fn shell(lab: &mut Lab) -> Result<()> {
    let site = Site::build(lab)?;
    let program = lab.daemon()?.to_path_buf();
    install_verbs(&program)?;
    let mut plan = Plan::default();
    for host in lab.hosts() {
        let name = host.name().to_owned();
        plan.threads.insert(name, host.thread_id().as_raw());
    }
    let run = ["lvsd", "run", "--config", "/run/lab/lvsd.toml"];
    for (director, priority) in [(&site.directors.d1, 150), (&site.directors.d2, 100)] {
        director
            .host
            .write("/run/lab/lvsd.toml", &configuration(priority))?;
        plan.services.insert(
            director.host.name().to_owned(),
            run.map(str::to_owned).to_vec(),
        );
    }
    let web = ["nginx", "-c", "/run/nginx.conf"];
    for server in [&site.rs1, &site.rs2] {
        let name = server.host.name();
        server
            .host
            .write("/run/nginx.conf", &crate::serve::nginx_configuration(name))?;
        plan.services
            .insert(name.to_owned(), web.map(str::to_owned).to_vec());
    }
    plan.store()?;
    for host in plan.services.keys() {
        let start = Path::new(verbs::DIRECTORY).join("start");
        let status = Command::new(start)
            .arg(host)
            .env("PATH", path())
            .status()
            .attempt(|| format!("start the service of {host}"))?;
        crate::ensure!(status.success(), "the service of {host} does not start");
    }
    println!("{WELCOME}");
    Command::new("setsid")
        .args(["--ctty", "--wait", "bash", "--norc", "--noprofile", "-i"])
        .env("PATH", path())
        .env("PS1", "lab# ")
        .status()
        .map(drop)
        .attempt(|| "start the shell")
}

fn path() -> String {
    format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", verbs::DIRECTORY)
}

/// The verbs and lvsd itself, where the shell finds them.
fn install_verbs(program: &Path) -> Result<()> {
    let directory = Path::new(verbs::DIRECTORY);
    std::fs::create_dir_all(directory).attempt(|| "create the directory of the verbs")?;
    let own = Path::new(GUEST_DIR).join(BINARY);
    for verb in verbs::VERBS {
        symlink(&own, directory.join(verb)).attempt(|| format!("link {verb}"))?;
    }
    symlink(program, directory.join("lvsd")).attempt(|| "link lvsd")
}
