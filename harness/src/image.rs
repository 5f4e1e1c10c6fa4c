//! `harness image`: what a Xen host needs to run an application.
//!
//! Follows xl.cfg(5). Invariant: the folder is all that has to be carried there.

use crate::app::App;
use crate::cli;
use crate::error::{Context, Error, Result};
use crate::machine::{self, Action, CreateOptions, Vif};
use crate::program::Program;
use crate::ui::say;
use std::path::Path;

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Image) -> Result<u8> {
    let program = Program::chosen(app, &arguments.program)?;
    let guest = program.guest(app, &arguments.whose)?;
    let name = program.package();
    let folder = arguments.out.clone().unwrap_or_else(|| app.course.root.join("target/images").join(name));
    std::fs::create_dir_all(&folder).on("make", &folder)?;
    let (kernel, configuration) = (format!("{name}.elf"), format!("{name}.cfg"));
    let text = text(name, &kernel, arguments)?;
    let (image, config) = (folder.join(&kernel), folder.join(&configuration));
    std::fs::copy(&guest.image, &image).on("write", &image)?;
    std::fs::write(&config, &text).on("write", &config)?;
    say(format_args!("{}: {}\n{}: for xl\n", image.display(), guest.sizes, config.display()))?;
    if arguments.check {
        check(app, &image, &text)?;
        say(format_args!("xl accepts it\n"))?;
    }
    say(format_args!("next: copy both files to a Xen host, and there, beside them: xl create {configuration}\n"))?;
    Ok(0)
}

/// The configuration, with what is worth knowing where it is changed.
fn text(name: &str, kernel: &str, arguments: &cli::Image) -> Result<String> {
    let mut options = CreateOptions::new(name, kernel);
    options.memory_mib = arguments.memory;
    options.vcpus = arguments.vcpus;
    options.cmdline.clone_from(&arguments.cmdline);
    options.vifs = vec![Vif::default()];
    options.on_reboot = Action::Restart;
    options.on_crash = Action::Restart;
    let settings = options.to_xl().map_err(Error::usage)?;
    Ok(format!(
        "# {name}, an application of Stardust, as a guest of Xen 4.17 or later. See xl.cfg(5).\n\
         #   xl create {name}.cfg      boots it; with -c you see its console\n\
         #   xl shutdown {name}        ends it\n\
         # `kernel` is looked for in the folder where xl is called: make it a whole path for use from elsewhere.\n\
         # `vif` needs the name of your bridge. Without ip= in `cmdline`, DHCP is asked for an address.\n\
         # With tsc_mode \"native\" the guest reads the time without Xen's help, which costs thousands of cycles.\n\
         {settings}"
    ))
}

/// Has xl read the configuration, on the test host.
fn check(app: &App, image: &Path, text: &str) -> Result<()> {
    const FOLDER: &str = "/images/shipped";
    let host = app.test_host()?;
    let machine = app.machine(&host, &machine::Options { scale: app.scale(None), ..machine::Options::default() })?;
    let agent = machine.agent();
    let kernel = image.file_name().unwrap_or_default().to_string_lossy();
    agent.put(&format!("{FOLDER}/{kernel}"), &std::fs::read(image).on("read", image)?)?;
    agent.put(&format!("{FOLDER}/config"), text.as_bytes())?;
    let said = agent.exec(&["sh", "-c", &format!("cd {FOLDER} && xl create --dryrun config")], b"")?;
    let refused = |words| {
        Error::fault(format!("xl refuses the configuration: {words}")).next("report it, with the configuration")
    };
    machine::outcome(&said).map(drop).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_says_what_was_asked_for() {
        let mut arguments = cli::Image {
            program: cli::Program::default(),
            whose: cli::Whose::default(),
            out: None,
            check: false,
            memory: 64,
            vcpus: 2,
            cmdline: "ip=10.0.0.7/24".to_owned(),
        };
        let said = text("http", "http.elf", &arguments).unwrap();
        for line in
            ["kernel=\"http.elf\"", "memory=64", "vcpus=2", "cmdline=\"ip=10.0.0.7/24\"", "on_crash=\"restart\""]
        {
            assert!(said.lines().any(|known| known == line), "{line} in {said}");
        }
        arguments.cmdline.clear();
        assert!(!text("http", "http.elf", &arguments).unwrap().contains("\ncmdline"));
        assert!(text("a b", "k", &arguments).is_err());
    }
}
