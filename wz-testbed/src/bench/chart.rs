//! The rows as a picture: bars for the time of each operation, and a mark for its floor.

use std::fmt::Write;
use std::time::Duration;

use super::{Row, judge};

const WIDTH: u32 = 820;
/// Where bars start and how long the longest is.
const LEFT: u32 = 210;
const LONGEST: u32 = 540;
const BAR: u32 = 14;
const GAP: u32 = 18;
const TOP: u32 = 40;

/// Readable on white and on black.
const STYLE: &str = "text{font:13px sans-serif;fill:#888}.fast{fill:#2a9d8f}.slow{fill:#457b9d}\
                     .original{fill:#b0b0b0}.floor{stroke:#e63946;stroke-width:2}";

const LEGEND: [(&str, &str); 3] = [
    ("fast", "QEMU's card"),
    ("slow", "2 MB/s card (red: floor)"),
    ("original", "the original, QEMU's card"),
];

/// One bar.
struct Bar {
    class: &'static str,
    time: Duration,
    floor: Option<Duration>,
}

/// An SVG image.
pub(super) fn svg(rows: &[Row]) -> String {
    let groups: Vec<(&str, Vec<Bar>)> = rows.iter().map(|r| (r.scenario.name, bars(r))).collect();
    draw(&groups)
}

fn bars(row: &Row) -> Vec<Bar> {
    let bar = |class, time, floor| Bar { class, time, floor };
    let original = row.scenario.original.map(|original| {
        let time = Duration::from_millis(original.milliseconds);
        bar("original", time, None)
    });
    let floor = Some(judge::floor(&row.slow));
    [
        bar("fast", row.fast.operation, None),
        bar("slow", row.slow.operation, floor),
    ]
    .into_iter()
    .chain(original)
    .collect()
}

fn draw(groups: &[(&str, Vec<Bar>)]) -> String {
    let all = groups.iter().flat_map(|(_, bars)| bars);
    let longest = all.map(|bar| bar.time).max().unwrap_or_default();
    let length = |time: Duration| {
        let share = time.as_secs_f64() / longest.as_secs_f64().max(f64::MIN_POSITIVE);
        share * f64::from(LONGEST)
    };
    let mut body = legend();
    let mut y = TOP;
    for (name, bars) in groups {
        let _ = writeln!(body, r#"<text x="4" y="{}">{name}</text>"#, y + BAR - 2);
        for bar in bars {
            body += &draw_bar(bar, y, length);
            y += BAR + 2;
        }
        y += GAP;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\">\n\
         <style>{STYLE}</style>\n{body}</svg>\n"
    )
}

fn draw_bar(bar: &Bar, y: u32, length: impl Fn(Duration) -> f64) -> String {
    let end = f64::from(LEFT) + length(bar.time);
    let mut drawn = format!(
        "<rect class=\"{}\" x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"{BAR}\"/>\n\
         <text x=\"{:.1}\" y=\"{}\">{:.1} s</text>\n",
        bar.class,
        length(bar.time),
        end + 5.0,
        y + BAR - 2,
        bar.time.as_secs_f64(),
    );
    if let Some(floor) = bar.floor {
        let x = f64::from(LEFT) + length(floor);
        let _ = writeln!(
            drawn,
            "<line class=\"floor\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y}\" y2=\"{}\"/>",
            y + BAR
        );
    }
    drawn
}

fn legend() -> String {
    let places = LEGEND.iter().zip((LEFT..).step_by(200));
    let entry = |((class, text), x): (&(&str, &str), u32)| {
        format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"8\" width=\"12\" height=\"12\"/>\n\
             <text x=\"{}\" y=\"19\">{text}</text>\n",
            x + 17
        )
    };
    places.map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(class: &'static str, seconds: u64) -> Bar {
        Bar {
            class,
            time: Duration::from_secs(seconds),
            floor: (class == "slow").then(|| Duration::from_secs(seconds / 2)),
        }
    }

    #[test]
    fn bars_are_as_long_as_their_times() {
        let groups = [
            ("one", vec![bar("fast", 10), bar("slow", 20)]),
            ("two", vec![bar("original", 40)]),
        ];

        let svg = draw(&groups);

        for (class, width) in [("fast", "135.0"), ("slow", "270.0"), ("original", "540.0")] {
            let rect = format!("<rect class=\"{class}\" x=\"210\"");
            let line = svg.lines().rfind(|line| line.starts_with(&rect)).unwrap();
            assert!(line.contains(&format!("width=\"{width}\"")), "{line}");
        }
        assert!(svg.contains("<line class=\"floor\" x1=\"345.0\""), "{svg}");
        assert!(svg.contains(">20.0 s</text>"), "{svg}");
    }

    #[test]
    fn a_chart_of_nothing_is_still_a_picture() {
        let svg = draw(&[("none", vec![bar("fast", 0)])]);

        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains("NaN"), "{svg}");
    }
}
