//! What a guest measured, from its console to one figure a name.
//!
//! A guest prints `bench <name> <least> <median> <samples>` for each thing it measured, in ticks of its time stamp
//! counter, and `bench done` when that is all. Invariant: a figure of several boots is the least of their least, and
//! the middle of their medians; nothing is averaged.

use std::collections::BTreeMap;

/// What was measured of one thing, in ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What it is called.
    pub name: String,
    /// The least sample.
    pub min: u64,
    /// The middle one.
    pub median: u64,
    /// How many samples there were.
    pub samples: u64,
}

/// Reads a console.
///
/// # Errors
/// With what is missing, or what was not measured.
pub fn parse(console: &str) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    for line in console.lines() {
        let Some(line) = line.strip_prefix("bench ") else { continue };
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["done"] => return Ok(figures),
            [name, "failed"] => return Err(format!("{name} could not be measured")),
            [name, min, median, samples] => {
                let number = |word: &str| word.parse::<u64>().map_err(|_| format!("`bench {line}` is no figure"));
                let (min, median, samples) = (number(min)?, number(median)?, number(samples)?);
                figures.push(Figure { name: name.to_owned(), min, median, samples });
            }
            _ => return Err(format!("`bench {line}` is no figure")),
        }
    }
    Err("it did not say `bench done`".to_owned())
}

/// Puts the figures of several boots together, in the order of the first.
pub fn merge(boots: &[Vec<Figure>]) -> Vec<Figure> {
    let mut all: BTreeMap<&str, Vec<&Figure>> = BTreeMap::new();
    for figure in boots.iter().flatten() {
        all.entry(&figure.name).or_default().push(figure);
    }
    let names = boots.first().into_iter().flatten().map(|figure| figure.name.as_str());
    let merged = names.filter_map(|name| {
        let figures = all.get(name)?;
        let mut medians: Vec<u64> = figures.iter().map(|figure| figure.median).collect();
        medians.sort_unstable();
        Some(Figure {
            name: name.to_owned(),
            min: figures.iter().map(|figure| figure.min).min()?,
            median: *medians.get(medians.len() / 2)?,
            samples: figures.iter().map(|figure| figure.samples).sum(),
        })
    });
    merged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str, min: u64, median: u64, samples: u64) -> Figure {
        Figure { name: name.into(), min, median, samples }
    }

    #[test]
    fn figures_are_found_among_other_lines() {
        let console = "Stardust\nbench a 1 2 3\ndebug: bench\nbench b 40 50 60\nbench done\nbench c 1 1 1\n";
        assert_eq!(parse(console), Ok(vec![figure("a", 1, 2, 3), figure("b", 40, 50, 60)]));
    }

    #[test]
    fn what_is_missing_or_odd_is_told() {
        assert_eq!(parse("bench a 1 2 3\n"), Err("it did not say `bench done`".into()));
        assert_eq!(parse("bench a failed\nbench done\n"), Err("a could not be measured".into()));
        for odd in ["bench a 1 2\n", "bench a 1 -2 3\n", "bench a 1 2 3 4\n", "bench \n"] {
            assert!(parse(odd).is_err_and(|said| said.contains("is no figure")), "{odd}");
        }
    }

    #[test]
    fn boots_are_merged_by_least_and_middle_and_none_is_averaged() {
        let boots =
            [vec![figure("b", 10, 20, 2), figure("a", 5, 5, 1)], vec![figure("a", 4, 9, 1), figure("b", 12, 18, 2)]];
        let third = vec![figure("b", 11, 1000, 2), figure("a", 7, 7, 1)];
        let boots = [boots[0].clone(), boots[1].clone(), third];
        assert_eq!(merge(&boots), [figure("b", 10, 20, 6), figure("a", 4, 7, 3)]);
        assert_eq!(merge(&[]), []);
    }

    #[test]
    fn what_only_some_boots_measured_counts_as_far_as_it_goes() {
        let boots = [vec![figure("a", 5, 5, 1)], vec![figure("b", 1, 1, 1)]];
        assert_eq!(merge(&boots), [figure("a", 5, 5, 1)]);
    }
}
