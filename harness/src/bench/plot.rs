//! The figures as a picture: a bar for each, and one for Linux's beside it, in SVG.
//!
//! Invariant: it takes the colours of what it stands in. On its own it follows the reader's choice of light or dark;
//! put into a page it takes the page's.

use super::known;
use super::report::{Amount, Report, boots_of};
use std::fmt::Write;

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 250.0;
const LONGEST: f64 = 370.0;
const TOP: f64 = 56.0;
const BAR: f64 = 13.0;
const GAP: f64 = 9.0;
const OURS: &str = "#2f7fc4";
const LINUX: &str = "#d08a2c";

struct Bar {
    colour: &'static str,
    amount: Amount,
    name: String,
}

/// Draws a report.
pub fn svg(report: &Report) -> String {
    let groups: Vec<Vec<Bar>> = report.rows.iter().map(bars).collect();
    let all = || groups.iter().flatten().map(|bar| bar.amount.as_f64()).filter(|amount| *amount > 0.0);
    // Powers of ten that hold all of them.
    let low = all().fold(f64::INFINITY, f64::min).log10().floor();
    let high = all().fold(0.0, f64::max).log10().ceil();
    let decades = if low.is_finite() && high > low { high - low } else { 1.0 };
    let length = |amount: Amount| {
        let exponent = amount.as_f64().max(f64::MIN_POSITIVE).log10() - low;
        (exponent / decades * LONGEST).max(1.0)
    };

    let mut body = String::new();
    let mut y = TOP;
    for group in &groups {
        for bar in group {
            let (long, base) = (length(bar.amount), y + BAR - 2.5);
            let _ = writeln!(
                body,
                "<text x=\"{:.0}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{long:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{}\"/>\
                 <text x=\"{:.1}\" y=\"{base:.1}\">{}</text>",
                LEFT - 8.0,
                escape(&bar.name),
                bar.colour,
                LEFT + long + 6.0,
                bar.amount,
            );
            y += BAR + 2.0;
        }
        y += GAP;
    }
    let mut lines = String::new();
    for decade in 0..=decades as u32 {
        let x = LEFT + f64::from(decade) / decades * LONGEST;
        let _ = write!(lines, "M{x:.1} {:.1}V{y:.1}", TOP - 6.0);
    }
    let (stage, height) = (escape(&report.stage), y + 8.0);
    let unit = match groups.iter().flatten().next().map(|bar| bar.amount) {
        Some(Amount::Seconds(_)) => "time",
        _ => "instructions",
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
         aria-label=\"What {stage} takes, in {unit}\" font-family=\"sans-serif\" font-size=\"12.5\" \
         fill=\"currentColor\">\n\
         <style>@media (prefers-color-scheme: dark) {{ svg:root {{ color: #e3e6ea }} }}</style>\n\
         <text x=\"16\" y=\"22\" font-size=\"15\">{stage}: {unit}, least of {} ({})</text>\n\
         <rect x=\"16\" y=\"32\" width=\"11\" height=\"11\" rx=\"2\" fill=\"{OURS}\"/><text x=\"33\" y=\"42\">Stardust</text>\
         <rect x=\"104\" y=\"32\" width=\"11\" height=\"11\" rx=\"2\" fill=\"{LINUX}\"/><text x=\"121\" y=\"42\">a Linux guest \
         doing the same; each line is ten times the one before</text>\n\
         <path d=\"{lines}\" stroke=\"currentColor\" stroke-opacity=\"0.22\" fill=\"none\"/>\n{body}</svg>\n",
        boots_of(report.boots),
        report.accelerator,
    )
}

fn bars(row: &super::report::Row) -> Vec<Bar> {
    let title = known::find(&row.name).map_or(row.name.as_str(), |known| known.title);
    let mut bars = vec![Bar { colour: OURS, amount: row.min, name: title.to_owned() }];
    if let Some(linux) = &row.linux {
        bars.push(Bar { colour: LINUX, amount: linux.min, name: linux.name.clone() });
    }
    bars
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::Tick;
    use crate::bench::report::tests::report;

    #[test]
    fn a_picture_has_a_bar_for_each_figure() {
        assert_text!("bench-plot", svg(&report(Tick::Instruction)));
    }

    #[test]
    fn odd_figures_make_no_odd_picture() {
        let mut odd = report(Tick::Instruction);
        odd.stage = "<&\">".into();
        for amount in [Amount::Instructions(0), Amount::Instructions(1), Amount::Seconds(0.0)] {
            odd.rows.truncate(1);
            odd.rows[0].min = amount;
            odd.rows[0].linux = None;
            let drawn = svg(&odd);
            assert!(
                !drawn.contains("NaN") && !drawn.contains("inf") && drawn.contains("&lt;&amp;&quot;&gt;"),
                "{drawn}"
            );
        }
        odd.rows.clear();
        assert!(!svg(&odd).contains("NaN"));
    }
}
