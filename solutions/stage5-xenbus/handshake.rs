//! Reference for exercise 5d: the handshake with a backend.

use crate::state::{Action, Frontend, State, Step, Style};

/// What a frontend does.
pub fn step(own: State, backend: State, style: Style) -> Step {
    use State::{Closed, Connected, Initialised, Initialising, Reconfigured, Reconfiguring};
    let published = if style == Style::InTwoSteps { Initialised } else { Connected };
    let (action, state) = match (backend, own) {
        // It is going, or gone.
        (State::Unknown | Closed, Initialising | Closed) | (State::Closing, Closed) => (Action::Wait, own),
        (State::Unknown | Closed | State::Closing, _) => (Action::Release, Closed),
        // It is coming.
        (Initialising | State::InitWait, Closed) => (Action::Restart, Initialising),
        (Initialising, Initialising) | (Initialised, _) => (Action::Wait, own),
        (State::InitWait, Initialising) => (Action::Publish, published),
        (State::InitWait, _) if own == published => (Action::Wait, own),
        (Initialising | State::InitWait, _) => (Action::Release, Closed),
        // It is there.
        (Connected, Initialised | Connected) => (Action::Connect, Connected),
        (Connected, Initialising) => (Action::Release, Closed),
        (Reconfiguring, Connected) => (Action::Pause, Reconfiguring),
        (Reconfigured, Reconfiguring) => (Action::Resume, Connected),
        (Connected | Reconfiguring | Reconfigured, _) => (Action::Wait, own),
    };
    Step { action, state }
}

/// Does it.
pub fn perform(frontend: &mut impl Frontend, own: State, step: Step) -> State {
    let done = match step.action {
        Action::Wait => return own,
        Action::Release => return release(frontend),
        Action::Restart => Ok(()),
        Action::Publish => frontend.publish(),
        Action::Connect => frontend.connect(),
        Action::Resume => frontend.resume(),
        Action::Pause => {
            frontend.pause();
            Ok(())
        }
    };
    let told = match done {
        Ok(()) if step.state == own => Ok(()),
        Ok(()) => frontend.tell(step.state),
        Err(error) => Err(error),
    };
    match told {
        Ok(()) => step.state,
        Err(error) => {
            frontend.complain(error);
            release(frontend)
        }
    }
}

/// The backend lets go of everything between the two: it knows by `Closing`, and what it had is ours again at `Closed`.
fn release<F: Frontend>(frontend: &mut F) -> State {
    let _ = frontend.tell(State::Closing);
    frontend.release();
    let _ = frontend.tell(State::Closed);
    State::Closed
}
