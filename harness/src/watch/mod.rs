//! `harness watch`: checks an exercise whenever its file is saved.
//!
//! A save is compiled and host-tested at once; Xen boots it only if the image is another one than last time. One
//! thing happens at a time: keys typed on a terminal during a check are dropped, since they were meant for what
//! was on the screen before. Ctrl-C ends everything at any time.

mod files;
mod keys;

use crate::app::App;
use crate::check::{self, report};
use crate::cli;
use crate::course::{Exercise, Selection, Stage};
use crate::error::{Context, Result};
use crate::progress::{Next, Standing, State, Summary};
use crate::terminal::{self, Raw};
use crate::ui::say;
use crate::work::Work;
use crate::{explain, hint, list, next, progress, reset, solution};
use files::Files;
use keys::{Decoder, HELP, Key};
use sha2::{Digest, Sha256};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// Watches until the user leaves, or input ends.
pub fn command(app: &App, arguments: &cli::Watch) -> Result<u8> {
    let (stage, exercise) = match &arguments.selector {
        Some(selector) => {
            let Selection { stage, exercise } = app.course.select(selector)?;
            (stage, exercise)
        }
        None => match Summary::read(app)?.next() {
            Next::Exercise(stage, exercise, _) => (stage, Some(exercise)),
            Next::Whole(stage) => (stage, None),
            Next::Done => {
                say(format_args!("next: {}\n", Next::Done))?;
                return Ok(0);
            }
        },
    };
    let terminal = Raw::single_keys();
    let mut watch = Watch::new(app, stage, exercise, terminal.interactive());
    watch.begin()?;
    watch.follow(&terminal::keys(false))?;
    Ok(0)
}

/// A watch under way.
struct Watch<'a> {
    app: &'a App,
    stage: &'a Stage,
    /// What is worked on; `None` for the stage as a whole.
    exercise: Option<&'a Exercise>,
    files: Files,
    interactive: bool,
    /// What Xen booted last: the image, and of which exercise.
    booted: Option<(String, Option<String>)>,
    /// Whether the hints so far are on the screen, so that the next wish is for one more.
    hinted: bool,
    /// The exercise to reset, if the next key says so.
    doomed: Option<&'a Exercise>,
}

impl<'a> Watch<'a> {
    fn new(app: &'a App, stage: &'a Stage, exercise: Option<&'a Exercise>, interactive: bool) -> Self {
        let files = watched(app, stage);
        Self { app, stage, exercise, files, interactive, booted: None, hinted: false, doomed: None }
    }

    /// Checks what is there already, unless it is untouched or has passed.
    fn begin(&mut self) -> Result<()> {
        let exercises: Vec<&Exercise> = match self.exercise {
            Some(exercise) => vec![exercise],
            None => self.stage.lab.exercises.iter().collect(),
        };
        let worth = |exercise: &&Exercise| {
            let standing = Standing::of(self.app, self.stage, exercise);
            standing.map(|standing| !matches!(standing.state, State::NotBegun | State::Passed))
        };
        let states: Vec<bool> = exercises.iter().map(worth).collect::<Result<_>>()?;
        match self.exercise {
            _ if states.contains(&true) => self.check()?,
            Some(exercise) => {
                let state = Standing::of(self.app, self.stage, exercise)?.state;
                say(next::text(self.app, Next::Exercise(self.stage, exercise, state)))?;
            }
            None => self.say_next()?,
        }
        self.prompt()
    }

    fn follow(&mut self, typed: &Receiver<terminal::Key>) -> Result<()> {
        let mut decoder = Decoder::new(!self.interactive);
        loop {
            match typed.recv_timeout(INTERVAL) {
                Ok(terminal::Key::Text(bytes)) => {
                    for key in decoder.feed(&bytes) {
                        if key == Key::Quit {
                            return Ok(());
                        }
                        self.obey(key)?;
                        self.forget(typed);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(index) = self.files.saved() {
                        self.exercise = self.stage.lab.exercises.get(index);
                        self.check()?;
                        self.prompt()?;
                        self.forget(typed);
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    /// Drops what was typed meanwhile. What comes through a pipe was not typed at anything, and stays.
    fn forget(&self, typed: &Receiver<terminal::Key>) {
        if self.interactive {
            typed.try_iter().for_each(drop);
        }
    }

    fn obey(&mut self, key: Key) -> Result<()> {
        match (key, self.doomed.take()) {
            (Key::Yes, Some(exercise)) => return self.reset(exercise),
            (Key::Reset, _) => return self.ask_to_reset(),
            (_, Some(_)) => say("nothing was reset\n")?,
            _ => {}
        }
        match key {
            Key::Next => self.go_on()?,
            Key::Hint => self.hint()?,
            Key::Explain => say(explain::text(&Selection { stage: self.stage, exercise: self.exercise }))?,
            Key::List => say(list::table(&Summary::read(self.app)?, self.app.style))?,
            Key::Diff => self.diff()?,
            Key::Again => {
                self.booted = None;
                self.check()?;
            }
            Key::Help | Key::Quit | Key::Reset | Key::Yes => {
                say(format_args!("{HELP}\n"))?;
                return Ok(());
            }
        }
        self.prompt()
    }

    /// What was changed since the starter, which is what a second pair of eyes looks at first.
    fn diff(&self) -> Result<()> {
        let Some(exercise) = self.exercise else { return choose("diff") };
        let text = reset::starter(&self.app.course.root, self.stage, exercise).and_then(|starter| {
            let file = self.stage.exercise_path(exercise);
            let path = self.app.course.root.join(&file);
            let mine = std::fs::read_to_string(&path).on("read", &path)?;
            Ok(solution::difference(("the starter", &starter), (&file.display().to_string(), &mine), self.app.style))
        });
        match text {
            Ok(Some(text)) => say(text),
            Ok(None) => say("this is the starter, to the letter\n"),
            Err(error) => say(format_args!("error: {error}\n")),
        }
    }

    fn ask_to_reset(&mut self) -> Result<()> {
        let Some(exercise) = self.exercise else { return choose("reset") };
        self.doomed = Some(exercise);
        say(format_args!(
            "reset {} to its starter? y does it and keeps your file, any other key doesn't\n",
            exercise.id
        ))
    }

    fn reset(&mut self, exercise: &Exercise) -> Result<()> {
        match reset::exercise_reset(&self.app.course.root, self.stage, exercise) {
            Ok(text) => say(text)?,
            Err(error) => say(format_args!("error: {error}\n"))?,
        }
        // It was not saved by anybody, so there is nothing to check.
        self.files = watched(self.app, self.stage);
        self.prompt()
    }

    /// Turns to whatever is next.
    fn go_on(&mut self) -> Result<()> {
        self.hinted = false;
        match Summary::read(self.app)?.next() {
            Next::Exercise(stage, exercise, _) => {
                self.turn_to(stage, Some(exercise));
                self.say_next()
            }
            Next::Whole(stage) => {
                self.turn_to(stage, None);
                self.check()
            }
            Next::Done => self.say_next(),
        }
    }

    fn turn_to(&mut self, stage: &'a Stage, exercise: Option<&'a Exercise>) {
        if stage.number != self.stage.number {
            self.files = watched(self.app, stage);
        }
        (self.stage, self.exercise) = (stage, exercise);
    }

    fn hint(&mut self) -> Result<()> {
        let Some(exercise) = self.exercise else {
            return choose("hint");
        };
        say(hint::show(self.app, self.stage, exercise, self.hinted)?)?;
        self.hinted = true;
        Ok(())
    }

    fn say_next(&self) -> Result<()> {
        say(next::text(self.app, Summary::read(self.app)?.next()))?;
        Ok(())
    }

    /// One line about where things stand, and one about what can be typed.
    fn prompt(&self) -> Result<()> {
        let summary = Summary::read(self.app)?;
        let subject = self.exercise.map_or_else(|| format!("stage{}", self.stage.number), |known| known.id.clone());
        say(format_args!("\nwatching {subject}: {}\n", list::reached(&summary, self.app.style)))?;
        say(format_args!("{}\n", self.app.style.faint(HELP)))?;
        Ok(())
    }

    /// Checks, and shows what came of it. What keeps a check from being made does not end the watch.
    fn check(&mut self) -> Result<()> {
        self.hinted = false;
        if self.interactive && self.app.style.decorated {
            // The whole screen for the newest result. That it is clear also says that the save was noticed.
            say("\x1b[2J\x1b[H")?;
        }
        if let Err(error) = self.try_check() {
            say(format_args!("error: {error}\n"))?;
        }
        Ok(())
    }

    fn try_check(&mut self) -> Result<()> {
        check::rules::given::holds(&self.app.course.root)?;
        let only = self.exercise.map(|exercise| exercise.id.clone());
        let work = Work::chosen(self.app, self.stage, &cli::Whose::default())?;
        let image = self.image(&work)?.map(|image| (image, only.clone()));
        if image.is_some() && image == self.booted {
            say("the image is the one that was checked before, so the result is the same; r runs it again\n")?;
            return Ok(());
        }
        let request = check::Request { only, ..check::Request::new(self.stage, work) };
        let results = check::check(self.app, &request)?;
        progress::record(self.app, self.stage, &results);
        let open = Summary::read(self.app)?.next_in(self.stage.number);
        say(report::human(&results, self.stage, &self.app.course.root, self.app.style, Some(open)))?;
        // Only what Xen has judged need not be judged again.
        self.booted = image.filter(|_| results.log.is_some());
        Ok(())
    }

    /// A hash of the image; `None` for work that does not compile, about which the check says more.
    fn image(&self, work: &Work) -> Result<Option<String>> {
        let mut features = work.features(self.stage);
        features.push("checks".to_owned());
        let Ok(guest) = self.app.guest(self.stage, features) else { return Ok(None) };
        let bytes = std::fs::read(&guest.image).on("read", &guest.image)?;
        Ok(Some(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()))
    }
}

/// Some keys are about one exercise.
fn choose(key: &str) -> Result<()> {
    say(format_args!("a {key} is about one exercise: save its file, or type n for the next one\n"))
}

/// The exercise files of a stage, in the order of its exercises.
fn watched(app: &App, stage: &Stage) -> Files {
    Files::new(&app.course.root, stage.lab.exercises.iter().map(|exercise| stage.exercise_path(exercise)))
}
