//! Tier 3: the boots of one image under Xen, and what is kept of them.

use super::results::Results;
use super::seal::Key;
use super::{Bench, Request, blank, judge, live, point_at_functions, session, xen};
use crate::app::App;
use crate::error::{Context, Result};
use crate::guest::Guest;
use crate::guest::crash::{ByQemu, Crash, stacks};
use crate::guest::symbolize::Symbolizer;
use crate::whole;
use std::time::{Duration, Instant};

/// The verdicts on a guest, from its boot alone.
pub fn boot_anew(bench: &mut Bench, request: &Request, guest: &Guest) -> Result<Results> {
    let mut results = blank(bench.app, request);
    boot(bench, request, &mut results, guest)?;
    results.settle();
    point_at_functions(bench.app, request, &mut results)?;
    Ok(results)
}

/// Boots it, and fills in the verdicts.
pub(super) fn boot(bench: &mut Bench, request: &Request, results: &mut Results, guest: &Guest) -> Result<()> {
    let (app, scale) = (bench.app, bench.scale);
    let root = if request.submission.is_some() { bench.tree()?.root() } else { &app.course.root }.to_owned();
    let facts = bench.facts()?;
    let machine = bench.machine()?;
    let step = app.ui.step(&format!("Running stage {} under Xen", request.stage.number));
    let plan = plan(request, scale)?;
    let image = std::fs::read(&guest.image).on("read", &guest.image)?;
    let mut domain = xen::XenGuest::new(machine, &image, &request.stage.lab.guest)?;
    let start = Instant::now();
    let outcome = session::run(&mut domain, &plan);
    results.guest_ms = start.elapsed().as_millis() as u64;
    drop(step);
    results.host.accelerator = format!("{:?}", machine.accelerator()).to_lowercase();
    results.host.scale = scale;
    save_log(app, request, &outcome)?;
    results.log = Some(request.log.clone());
    results.exercises.iter_mut().for_each(|exercise| exercise.log = Some(request.log.clone()));
    let symbols = Symbolizer::open(&guest.elf, &root)?;
    let snapshot = std::fs::read_to_string(app.course.root.join(live::snapshot_path(request.stage.number))).ok();
    let xen_log = if outcome.crashed_silently() { machine.settled_xen_log() } else { String::new() };
    // What Xen said of earlier domains was about others.
    let mut crash = Crash::find(&xen_log, None).filter(|crash| crash.domain >= domain.first_domain());
    crash.iter_mut().for_each(|crash| crash.look(ByQemu(machine), &stacks(&outcome.log.join("\n"))));
    let evidence = judge::Evidence {
        outcome: &outcome,
        facts: &facts,
        symbols: &symbols,
        crash,
        snapshot: snapshot.as_deref().and_then(live::snapshot_text),
    };
    judge::judge(results, request, &evidence);
    drop(domain);
    if outcome.lost.is_some() {
        bench.discard();
    }
    Ok(())
}

fn plan(request: &Request, scale: f64) -> Result<session::Plan> {
    let exercises = &request.stage.lab.exercises;
    let checks = exercises.iter().flat_map(|exercise| &exercise.checks);
    let timeouts = checks.map(|check| (check.id.clone(), Duration::from_secs_f64(check.timeout * scale)));
    let (picked, left_out): (Vec<_>, Vec<_>) = exercises.iter().partition(|exercise| request.wants(&exercise.id));
    let checks_left_out = picked.iter().flat_map(|exercise| &exercise.checks).filter(|check| !request.wants(&check.id));
    Ok(session::Plan {
        arguments: String::new(),
        key: Key::draw()?,
        seed: request.seed,
        skip: left_out
            .iter()
            .map(|exercise| &exercise.id)
            .chain(checks_left_out.map(|check| &check.id))
            .cloned()
            .collect(),
        order: exercises.iter().flat_map(|exercise| &exercise.checks).map(|check| check.id.clone()).collect(),
        live: request.only.is_none(),
        timeouts: timeouts.collect(),
        patience: Duration::from_secs_f64(request.stage.lab.integration.timeout * scale),
    })
}

fn save_log(app: &App, request: &Request, outcome: &session::Outcome) -> Result<()> {
    // Whole at any moment: another check of the stage may be writing or reading it.
    whole::write(&app.course.root.join(&request.log), outcome.log.join("\n") + "\n")
}
