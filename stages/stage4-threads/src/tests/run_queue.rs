use std::collections::VecDeque;
use std::vec::Vec;

use crate::ready::{LEVELS, Levels, PATIENCE, ReadyQueue};
use fastrand::Rng;

#[derive(Default)]
struct Lists([VecDeque<u32>; LEVELS]);

impl Levels for Lists {
    type Item = u32;

    fn push(&mut self, level: usize, item: u32) {
        self.0[level].push_back(item);
    }

    fn take(&mut self, level: usize, fits: &mut dyn FnMut(&u32) -> bool) -> Option<u32> {
        let index = self.0[level].iter().position(fits)?;
        self.0[level].remove(index)
    }

    fn is_empty(&self, level: usize) -> bool {
        self.0[level].is_empty()
    }
}

#[test]
fn the_highest_level_goes_first_and_within_it_the_first() {
    let mut queue = ReadyQueue::<Lists>::default();
    for (level, item) in [(3, 1), (7, 2), (3, 3), (7, 4), (15, 5), (0, 6)] {
        queue.put(level, item);
    }
    assert_eq!(queue.highest(), Some(15));
    let order: Vec<_> = std::iter::from_fn(|| queue.pick()).collect();
    assert_eq!(order, [5, 2, 4, 1, 3, 6]);
    assert_eq!((queue.pick(), queue.highest()), (None, None));
}

#[test]
fn a_level_that_was_passed_over_often_is_served() {
    let mut queue = ReadyQueue::<Lists>::default();
    queue.put(2, 100);
    queue.put(9, 0);
    let mut turns = 0;
    loop {
        let item = queue.pick().unwrap();
        if item == 100 {
            break;
        }
        queue.put(9, item);
        turns += 1;
    }
    assert_eq!(turns, PATIENCE);
    assert_eq!(queue.state().passed_over[2], 0);
}

#[test]
fn stealing_takes_what_fits_and_passes_nobody_over() {
    let mut queue = ReadyQueue::<Lists>::default();
    for (level, item) in [(9, 1), (9, 2), (4, 3), (4, 4)] {
        queue.put(level, item);
    }
    assert_eq!(queue.steal(&mut |item| item % 2 == 0), Some(2));
    assert_eq!(queue.steal(&mut |item| *item > 2), Some(3));
    assert_eq!(queue.steal(&mut |item| *item > 9), None);
    assert_eq!(queue.state().passed_over, [0; LEVELS]);
    assert_eq!((queue.pick(), queue.pick(), queue.pick()), (Some(1), Some(4), None));
}

/// Any sequence of calls: nothing is lost or doubled, the bits tell the truth, and no level waits for too long.
#[test]
fn any_sequence_keeps_the_promises() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let mut queue = ReadyQueue::<Lists>::default();
        let mut levels: [VecDeque<u32>; LEVELS] = Default::default();
        let mut waited = [0; LEVELS];
        for number in 0..2000 {
            let taken = match rng.u32(..10) {
                0..5 => {
                    let level = rng.usize(..LEVELS);
                    levels[level].push_back(number);
                    queue.put(level, number);
                    continue;
                }
                5..9 => queue.pick(),
                _ => {
                    let rest = rng.u32(..3);
                    let taken = queue.steal(&mut |item| item % 3 == rest);
                    assert!(taken.is_none_or(|item| item % 3 == rest));
                    let Some(item) = taken else { continue };
                    let level = levels.iter().position(|level| level.contains(&item)).unwrap();
                    levels[level].retain(|other| *other != item);
                    if levels[level].is_empty() {
                        waited[level] = 0;
                    }
                    continue;
                }
            };
            let Some(level) = taken.map(|item| levels.iter().position(|level| level.front() == Some(&item)).unwrap())
            else {
                assert!(levels.iter().all(VecDeque::is_empty));
                continue;
            };
            levels[level].pop_front();
            for other in 0..LEVELS {
                waited[other] = if other == level || levels[other].is_empty() { 0 } else { waited[other] + 1 };
                assert!(waited[other] <= PATIENCE + LEVELS as u32, "level {other} starves");
            }
            let occupied =
                (0..LEVELS).filter(|level| !levels[*level].is_empty()).fold(0, |bits, level| bits | 1 << level);
            assert_eq!(queue.state().occupied, occupied);
        }
    }
}
