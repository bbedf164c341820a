//! What took how long while modules were built, as one HTML page: for each module
//! its phases on a common axis, and above them how many compilers ran at once.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::report::Phase;
use crate::template::{self, escaped};

/// The page with places for summary, legend, heads and rows of the table, and data.
const TEMPLATE: &str = include_str!("timings.html");
/// Marks on the axis.
const TICKS_MAX: f64 = 8.0;
/// What is drawn at least, in percent of the axis: shorter could not be seen.
const BAR_PERCENT_MIN: f64 = 0.15;
/// Height of the curve of compilers.
const CURVE_HEIGHT: f64 = 40.0;

/// A phase of a module's build, from the recorder's start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Which module: its place in the list that the page gets.
    pub module: usize,
    /// What was done.
    pub phase: Phase,
    /// When it began.
    pub start: Duration,
    /// When it ended.
    pub end: Duration,
}

/// Takes down what the builds of several modules spend their time with.
pub struct Recorder {
    origin: Instant,
    spans: Mutex<Vec<Span>>,
}

impl Recorder {
    /// Starts the clock.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now(), spans: Mutex::new(Vec::new()) }
    }

    /// Takes down a phase.
    pub fn add(&self, module: usize, phase: Phase, started: Instant, ended: Instant) {
        let since = |time: Instant| time.saturating_duration_since(self.origin);
        let span = Span { module, phase, start: since(started), end: since(ended) };
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    /// Returns what was taken down so far, and the time since the start.
    #[must_use]
    pub fn so_far(&self) -> (Vec<Span>, Duration) {
        (self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone(), self.origin.elapsed())
    }
}

/// A module and what became of it, in a word.
pub struct Outcome {
    /// Its name.
    pub module: String,
    /// `built`, `cached` or `failed`.
    pub result: String,
}

/// Writes the page. `cpu` is the CPU time of all processes, where it is known.
#[must_use]
pub fn page(outcomes: &[Outcome], spans: &[Span], elapsed: Duration, cpu: Option<Duration>, cores: usize) -> String {
    let data = json!({
        "elapsed_seconds": elapsed.as_secs_f64(),
        "cpu_seconds": cpu.map(|cpu| cpu.as_secs_f64()),
        "cores": cores,
        "modules": outcomes.iter().enumerate().map(|(index, outcome)| json!({
            "module": outcome.module,
            "result": outcome.result,
            "phases": spans.iter().filter(|span| span.module == index).map(|span| json!({
                "phase": span.phase.name(),
                "start_seconds": span.start.as_secs_f64(),
                "end_seconds": span.end.as_secs_f64(),
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    });
    let axis = Axis::of(elapsed);
    template::fill(TEMPLATE, &data.to_string(), |place| match place {
        "summary" => escaped(&summary(outcomes, spans, elapsed, cpu, cores)),
        "legend" => Phase::ALL.iter().map(|phase| legend(*phase)).collect(),
        "heads" => Phase::ALL.iter().map(|phase| head(phase.name(), "number")).collect(),
        "ticks" => axis.ticks(),
        "all" => all(spans, &axis, cores),
        "rows" => rows(outcomes, spans, &axis),
        _ => String::new(),
    })
}

fn summary(outcomes: &[Outcome], spans: &[Span], elapsed: Duration, cpu: Option<Duration>, cores: usize) -> String {
    let results = ["built", "cached", "failed"].into_iter().filter_map(|result| {
        let count = outcomes.iter().filter(|outcome| outcome.result == result).count();
        (count > 0).then(|| format!("{count} {result}"))
    });
    let mut text = format!("{} in {}", results.collect::<Vec<_>>().join(", "), seconds(elapsed, " s"));
    if let Some(cpu) = cpu {
        let used = cpu.as_secs_f64() / elapsed.as_secs_f64().max(f64::EPSILON);
        let _ = write!(text, ", {} of CPU time: {used:.1} of {cores} cores used", seconds(cpu, " s"));
    }
    let compilers = running(spans).into_iter().map(|(_, count)| count).max().unwrap_or(0);
    let _ = write!(text, ", at most {compilers} at once in the compiler");
    text
}

fn legend(phase: Phase) -> String {
    let name = phase.name();
    format!(
        "<li><svg width=\"14\" height=\"14\" aria-hidden=\"true\"><rect class=\"{name}\" width=\"14\" height=\"14\"/></svg><b>{name}</b> <span>{}</span></li>",
        meaning(phase)
    )
}

fn meaning(phase: Phase) -> &'static str {
    match phase {
        Phase::Scan => "what the module is made of, in the sandbox, and what the cache has of it",
        Phase::Plan => "what to do, in the sandbox",
        Phase::Lock => "waiting for a build of the same",
        Phase::Zig => "the compiler, and clearing its cache away",
        Phase::Check => "whether an input changed meanwhile",
        Phase::Store => "writing to the cache, or unpacking",
    }
}

fn head(name: &str, class: &str) -> String {
    format!("<th scope=\"col\" class=\"{class}\" aria-sort=\"none\"><button>{name}</button></th>")
}

/// Seconds to the millisecond; nothing for none.
fn seconds(time: Duration, unit: &str) -> String {
    if time.is_zero() { String::new() } else { format!("{:.3}{unit}", time.as_secs_f64()) }
}

fn number(time: Duration) -> String {
    format!("<td class=\"number\" data-value=\"{:.6}\">{}</td>", time.as_secs_f64(), seconds(time, ""))
}

/// From no time to all of it, in percent.
struct Axis {
    seconds: f64,
}

impl Axis {
    fn of(elapsed: Duration) -> Self {
        Self { seconds: elapsed.as_secs_f64().max(1e-6) }
    }

    fn percent(&self, time: Duration) -> f64 {
        (time.as_secs_f64() / self.seconds * 100.0).min(100.0)
    }

    /// Seconds between two marks: 1, 2 or 5, times a power of ten.
    fn step(&self) -> f64 {
        let least = self.seconds / TICKS_MAX;
        let power = 10f64.powf(least.log10().floor());
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= least).unwrap_or(power)
    }

    fn ticks(&self) -> String {
        let step = self.step();
        let mut ticks = String::new();
        let mut number = 0.0;
        while number * step < self.seconds {
            let at = number * step;
            let x = at / self.seconds * 100.0;
            let digits = usize::from(step < 1.0) + usize::from(step < 0.1) + usize::from(step < 0.01);
            let _ = write!(
                ticks,
                "<line x1=\"{x:.3}%\" x2=\"{x:.3}%\" y1=\"14\" y2=\"20\"/><text x=\"{x:.3}%\" dx=\"2\" y=\"13\">{at:.digits$} s</text>"
            );
            number += 1.0;
        }
        ticks
    }

    fn bar(&self, span: Span) -> String {
        let (start, end) = (self.percent(span.start), self.percent(span.end));
        let width = (end - start).max(BAR_PERCENT_MIN);
        let name = span.phase.name();
        format!(
            "<rect class=\"{name}\" x=\"{start:.3}%\" width=\"{width:.3}%\" y=\"2\" height=\"14\"><title>{}</title></rect>",
            words(span)
        )
    }
}

fn words(span: Span) -> String {
    let (start, end) = (span.start.as_secs_f64(), span.end.as_secs_f64());
    format!("{} from {start:.3} to {end:.3} s ({:.3} s)", span.phase.name(), end - start)
}

/// Returns how many modules are in the compiler from each moment on where that changes.
fn running(spans: &[Span]) -> Vec<(Duration, usize)> {
    let mut modules: Vec<(Duration, isize)> = spans
        .iter()
        .filter(|span| span.phase == Phase::Zig)
        .flat_map(|span| [(span.start, 1), (span.end, -1)])
        .collect();
    // Where one ends as another begins, the end comes first.
    modules.sort_unstable();
    let mut count = 0_isize;
    modules
        .into_iter()
        .map(|(time, change)| {
            count += change;
            (time, usize::try_from(count).unwrap_or(0))
        })
        .collect()
}

fn sum(spans: impl Iterator<Item = Span>) -> Duration {
    spans.map(|span| span.end.saturating_sub(span.start)).sum()
}

/// The row of all modules together: sums, and the curve of compilers.
fn all(spans: &[Span], axis: &Axis, cores: usize) -> String {
    let sums = Phase::ALL.map(|phase| sum(spans.iter().copied().filter(|span| span.phase == phase)));
    let counts = running(spans);
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0).max(cores).max(1) as f64;
    let height = |count: usize| CURVE_HEIGHT - count as f64 / most * (CURVE_HEIGHT - 2.0);
    let mut path = format!("M0 {CURVE_HEIGHT}");
    for (time, count) in &counts {
        let _ = write!(path, "H{:.2}V{:.2}", axis.percent(*time) * 10.0, height(*count));
    }
    let _ = write!(path, "H1000V{CURVE_HEIGHT}Z");
    let line = height(cores);
    format!(
        "<tr class=\"all\"><th scope=\"row\">all</th><td></td><td></td>{}{}<td class=\"time\"><svg class=\"curve\" role=\"img\" \
         aria-label=\"Compilers at once; the line is the number of cores, {cores}\" viewBox=\"0 0 1000 {CURVE_HEIGHT}\" \
         preserveAspectRatio=\"none\"><title>Compilers at once; the line is the number of cores, {cores}</title>\
         <path class=\"zig\" d=\"{path}\"/><line class=\"cores\" x1=\"0\" x2=\"1000\" y1=\"{line:.2}\" y2=\"{line:.2}\"/></svg></td></tr>",
        number(sums.iter().sum()),
        sums.map(number).concat(),
    )
}

fn rows(outcomes: &[Outcome], spans: &[Span], axis: &Axis) -> String {
    let own = |index: usize| spans.iter().copied().filter(move |span| span.module == index);
    let start = |index: usize| own(index).map(|span| span.start).min().unwrap_or_default();
    let mut order: Vec<usize> = (0..outcomes.len()).collect();
    order.sort_by_key(|index| start(*index));
    let row = |index: usize| {
        let Outcome { module, result } = &outcomes[index];
        let end = own(index).map(|span| span.end).max().unwrap_or_default();
        let begun = start(index);
        let phases = Phase::ALL.map(|phase| number(sum(own(index).filter(|span| span.phase == phase)))).concat();
        let module = escaped(module);
        format!(
            "<tr><th scope=\"row\">{module}</th><td class=\"{0}\">{0}</td>{1}{2}{phases}<td class=\"time\"><svg class=\"bars\" \
             role=\"img\" aria-label=\"{module}: {3}\">{4}</svg></td></tr>",
            escaped(result),
            number(begun),
            number(end.saturating_sub(begun)),
            own(index).map(words).collect::<Vec<_>>().join(", "),
            own(index).map(|span| axis.bar(span)).collect::<String>(),
        )
    };
    order.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(module: usize, phase: Phase, start: u64, end: u64) -> Span {
        Span { module, phase, start: Duration::from_millis(start), end: Duration::from_millis(end) }
    }

    #[test]
    fn compilers_are_counted_by_the_moment() {
        let spans = [
            span(0, Phase::Scan, 0, 50),
            span(0, Phase::Zig, 10, 20),
            span(1, Phase::Zig, 15, 30),
            span(0, Phase::Zig, 20, 25),
        ];
        let counts: Vec<(u128, usize)> =
            running(&spans).into_iter().map(|(time, count)| (time.as_millis(), count)).collect();
        assert_eq!(counts, [(10, 1), (15, 2), (20, 1), (20, 2), (25, 1), (30, 0)]);
    }

    #[test]
    fn the_axis_has_few_round_marks() {
        for (seconds, step) in [(0.08, 0.01), (1.0, 0.2), (3.9, 0.5), (8.0, 1.0), (75.0, 10.0)] {
            let axis = Axis { seconds };
            assert!((axis.step() - step).abs() < 1e-9, "{seconds} {}", axis.step());
            assert!(axis.ticks().matches("<line").count() <= 9);
        }
    }

    #[test]
    fn a_page_without_any_build_is_a_page() {
        let page = page(&[], &[], Duration::ZERO, None, 2);
        assert!(page.contains("</html>") && !page.contains("{{") && !page.contains("NaN"), "{page}");
    }
}
