//! Two guests that serve the same page by HTTP: `images/http`, and Linux with nginx.
//!
//! dom0 measures both in the same way: see `images/linux-bench`, `outside`. Invariant: a guest is made paused and begins when dom0
//! is ready to look, so that nothing of what `xl create` does is in its figures; that is a figure of its own.

use super::figures::{self, Figure};
use super::report::Tick;
use super::{REST, Setting, linux, tool};
use crate::course::{FIRST_MAC, GuestShape};
use crate::domain::{Domain, fresh_name};
use crate::error::{Context, Error, Result};
use crate::host::initramfs::Initramfs;
use crate::machine::{CreateOptions, GUEST_ADDRESS, Machine, outcome};
use crate::program::Application;
use std::path::PathBuf;
use std::time::Instant;

/// The application.
const NAME: &str = "http";
const KERNEL: &str = "/images/http";
/// Seconds on an ordinary machine for all that dom0 measures of one boot.
const PATIENCE: f64 = 180.0;
/// What configures nginx, and the page that `images/http` has too.
const FILES: &[(&str, &str)] =
    &[("etc/nginx/nginx.conf", "images/linux-bench/nginx.conf"), ("www/index.html", "images/http/content/index.html")];
/// Who nginx is to be.
const USERS: &[(&str, &str)] = &[("etc/passwd", "root:x:0:0:root:/:/bin/sh\n"), ("etc/group", "root:x:0:\n")];
const NGINX: &str = "/usr/sbin/nginx";

/// What dom0 sees of the application.
pub fn ours(setting: &Setting<'_>) -> Result<Vec<Figure>> {
    let Setting { app, machine, arguments, .. } = setting;
    let guest = Application::named(&app.course.root, NAME)?.guest(app, !arguments.mine)?;
    machine.agent().put(KERNEL, &std::fs::read(&guest.image).on("read", &guest.image)?)?;
    let shape = GuestShape { memory: setting.memory(), interfaces: 1, ..GuestShape::default() };
    let options = || shape.options(fresh_name(NAME), KERNEL, &format!("ip={GUEST_ADDRESS}/24"));
    figures(setting, "http", arguments.runs, options)
}

/// What dom0 sees of Linux.
pub fn linux(setting: &Setting<'_>, boots: u32) -> Result<Vec<Figure>> {
    let Setting { app, host, machine, .. } = setting;
    let read = |path: PathBuf| std::fs::read(&path).on("read", &path);
    let mut files = Initramfs::default();
    for folder in ["var/lib/nginx", "var/log/nginx"] {
        files.folder(folder);
    }
    for (place, source) in FILES {
        files.file(place, &read(app.course.root.join(source))?);
    }
    for (place, text) in USERS {
        files.file(place, text.as_bytes());
    }
    linux::put(host, machine, &[read(host.linux_guest_server())?, files.archive()?])?;
    figures(setting, "Linux with nginx", boots, || linux::options(setting, &format!("run={NGINX}")))
}

fn figures(setting: &Setting<'_>, what: &str, boots: u32, options: impl Fn() -> CreateOptions) -> Result<Vec<Figure>> {
    let machine = setting.machine;
    let step = setting.app.ui.count(&format!("booting {what}"), u64::from(boots));
    let mut all = Vec::new();
    for boot in 0..boots {
        let begin = Instant::now();
        let mut domain = Domain::create(machine, &CreateOptions { paused: true, ..options() })?;
        let created = begin.elapsed();
        machine.agent().exec(&["sleep", REST], &[])?;
        let mut figures = outside(machine, &mut domain)?;
        if let Tick::OfMegahertz(mhz) = setting.tick() {
            let ticks = (created.as_secs_f64() * mhz * 1e6) as u64;
            figures.push(Figure { name: "xl-create".into(), min: ticks, median: ticks, samples: 1 });
        }
        all.push(figures);
        step.at(u64::from(boot) + 1);
    }
    Ok(figures::merge(&all))
}

/// Has dom0 measure a guest that is paused.
fn outside(machine: &Machine, domain: &mut Domain<'_>) -> Result<Vec<Figure>> {
    let mac = FIRST_MAC.map(|byte| format!("{byte:02x}")).join(":");
    let command = [tool::PLACE, "outside", &domain.id().to_string(), GUEST_ADDRESS, &mac];
    let ended = machine.agent().exec_within(&command, &[], machine.within(PATIENCE).left())?;
    let said = outcome(&ended).map_err(|why| {
        // What the guest says about it: all that it has said so far.
        let _ = domain.listen(machine.within(0.5), |_| false);
        domain.failed(&format!("was not measured: {why}"))
    })?;
    figures::parse(&said).map_err(|why| Error::fault(format!("dom0's measurements: {why}")))
}
