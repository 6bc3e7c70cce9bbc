//! A page: head, facts, sections, and the one style sheet of all reports.

use super::legend::{Legend, Style, line_class};
use super::svg::Drawing;
use super::table::Table;
use super::{Bars, Lines, Ratios, escape};

/// One report.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Page {
    /// Its title.
    pub title: String,
    /// What it is about, in a sentence.
    pub subtitle: String,
    /// Banners that must not be missed: limits, losses, a quick run.
    pub alerts: Vec<String>,
    /// Names and values: machine, command, versions.
    pub facts: Vec<(String, String)>,
    /// The sections.
    pub sections: Vec<Section>,
}

/// One section.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Section {
    /// Its heading.
    pub title: String,
    /// Paragraphs.
    pub text: Vec<String>,
    /// What is in it.
    pub blocks: Vec<Block>,
}

/// One piece of a section.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Block {
    /// A table.
    Table(Table),
    /// Curves.
    Lines(Lines),
    /// Bars.
    Bars(Bars),
    /// Measured over predicted.
    Ratios(Ratios),
}

impl Page {
    /// The whole file.
    #[must_use]
    pub(crate) fn html(&self) -> String {
        let title = escape(&self.title);
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <h1>{title}</h1>\n<p>{}</p>\n",
            escape(&self.subtitle)
        );
        for alert in &self.alerts {
            html.push_str(&format!("<p class=\"banner\">{}</p>\n", escape(alert)));
        }
        html.push_str("<dl>\n");
        for (name, value) in &self.facts {
            let (name, value) = (escape(name), escape(value));
            html.push_str(&format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"));
        }
        html.push_str("</dl>\n");
        for section in &self.sections {
            html.push_str(&section.html());
        }
        html.push_str("</main>\n</body>\n</html>\n");
        html
    }
}

impl Section {
    fn html(&self) -> String {
        let mut html = format!("<section>\n<h2>{}</h2>\n", escape(&self.title));
        for paragraph in &self.text {
            html.push_str(&format!("<p>{}</p>\n", escape(paragraph)));
        }
        html.push_str("<div class=\"plots\">\n");
        for block in &self.blocks {
            html.push_str(&block.html());
        }
        html.push_str("</div>\n</section>\n");
        html
    }
}

impl Block {
    fn html(&self) -> String {
        match self {
            Self::Table(table) => table.html(),
            Self::Lines(lines) => figure(&lines.title, &lines.note, &lines.legend(), &lines.svg()),
            Self::Bars(bars) => figure(&bars.title, &bars.note, &[], &bars.svg()),
            Self::Ratios(ratios) => {
                figure(&ratios.title, &ratios.note, &ratios.legend(), &ratios.svg())
            }
        }
    }
}

fn figure(title: &str, note: &str, legend: &[Legend], svg: &str) -> String {
    let mut html = format!("<figure><h3>{}</h3>\n", escape(title));
    if !legend.is_empty() {
        html.push_str("<ul class=\"legend\">");
        for entry in legend {
            let name = escape(&entry.name);
            html.push_str(&format!("<li>{}{name}</li>", swatch(entry)));
        }
        html.push_str("</ul>\n");
    }
    html.push_str(svg);
    if !note.is_empty() {
        html.push_str(&format!("<figcaption>{}</figcaption>\n", escape(note)));
    }
    html.push_str("</figure>\n");
    html
}

/// A piece of the curve, as it is drawn.
fn swatch(entry: &Legend) -> String {
    let class = line_class(entry.number);
    let mut drawing = Drawing::new(12.0, "");
    let ends = [(1.0, 6.0), (23.0, 6.0)];
    match entry.style {
        Style::Line => drawing.path(&class, &ends),
        Style::Dashed => drawing.path(&format!("dashed {class}"), &ends),
        Style::Marks => {}
    }
    if entry.style != Style::Dashed {
        drawing.mark(entry.number, (12.0, 6.0));
    }
    let piece = drawing.into_elements();
    format!("<svg class=\"swatch\" viewBox=\"0 0 24 12\" aria-hidden=\"true\">{piece}</svg>")
}

const STYLE: &str = include_str!("style.css");

#[cfg(test)]
mod tests {
    use super::super::legend::COLOURS;
    use super::*;

    #[test]
    fn a_page_needs_nothing_from_elsewhere() {
        let page = Page {
            title: "A & B".to_owned(),
            alerts: vec!["<watch out>".to_owned()],
            sections: vec![Section::default()],
            ..Page::default()
        };
        let html = page.html();
        assert!(html.contains("<title>A &amp; B</title>"));
        assert!(html.contains("&lt;watch out&gt;"));
        for outside in ["http:", "https:", "<script", "<link", "@import", "url("] {
            assert!(!html.contains(outside), "{outside}");
        }
    }

    #[test]
    fn every_colour_has_its_rule() {
        for number in 0..COLOURS {
            assert!(STYLE.contains(&format!(".c{number} ")), "{number}");
            // By day, by night and on paper.
            assert!(STYLE.matches(&format!("--c{number}:")).count() >= 2);
        }
    }
}
