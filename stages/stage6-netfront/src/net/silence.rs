//! Whether the backend still takes what is sent.
//!
//! A virtual cable that is pulled says nothing: who switches Linux's end of an interface off (`ip link set vif1.0 down`) finds no word
//! for that in `netif.h`. But the backend then answers no request any more, and that can be seen.
//!
//! Invariant: one line when it falls silent, and one when it goes on.

use core::time::Duration;

use threads::time::Nanoseconds;

/// How long a backend may take to answer. A busy machine takes a second now and then.
const LIMIT: Duration = Duration::from_secs(5);

/// What is known of a backend's answers.
#[derive(Default)]
pub(crate) struct Silence {
    /// Answers that had come when it was looked at last.
    answers: u64,
    /// Since when something has been waiting, and nothing was answered.
    since: Option<Nanoseconds>,
    said: bool,
}

/// What has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// It answers nothing any more.
    Silent,
    /// It does again.
    Answers,
}

impl Silence {
    /// Looks at how many answers have come so far, and how many requests are still without one.
    pub fn look(&mut self, answers: u64, waiting: usize, now: Nanoseconds) -> Option<Change> {
        if waiting == 0 || self.answers != answers {
            self.answers = answers;
            self.since = (waiting > 0).then_some(now);
            return core::mem::take(&mut self.said).then_some(Change::Answers);
        }
        let since = *self.since.get_or_insert(now);
        if self.said || now < since.after(LIMIT) {
            return None;
        }
        self.said = true;
        Some(Change::Silent)
    }

    /// When to look again, even if nothing comes.
    pub fn deadline(&self) -> Option<Nanoseconds> {
        self.since.filter(|_| !self.said).map(|since| since.after(LIMIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_said_once_and_so_is_its_end() {
        let at = |seconds: u64| Nanoseconds(seconds * 1_000_000_000);
        let mut silence = Silence::default();
        assert_eq!((silence.look(0, 0, at(100)), silence.deadline()), (None, None));
        assert_eq!((silence.look(0, 3, at(100)), silence.deadline()), (None, Some(at(105))));
        assert_eq!((silence.look(2, 1, at(104)), silence.deadline()), (None, Some(at(109))));
        assert_eq!(silence.look(2, 9, at(108)), None);
        assert_eq!((silence.look(2, 9, at(109)), silence.deadline()), (Some(Change::Silent), None));
        assert_eq!(silence.look(2, 250, at(1000)), None);
        assert_eq!((silence.look(3, 249, at(1001)), silence.deadline()), (Some(Change::Answers), Some(at(1006))));
        assert_eq!((silence.look(252, 0, at(1002)), silence.deadline()), (None, None));
    }
}
