//! Tables: measured values large, what belongs to them small below.

use super::escape;

/// One cell.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Cell {
    /// What it says.
    pub main: String,
    /// What stands small below it.
    pub below: String,
    /// Whether it is to be seen at once: a loss, a prediction that did not hold.
    pub is_alert: bool,
}

impl Cell {
    /// A value alone.
    #[must_use]
    pub(crate) fn new(main: impl Into<String>) -> Self {
        Self {
            main: main.into(),
            ..Self::default()
        }
    }

    /// A value that may not be known.
    #[must_use]
    pub(crate) fn of<T>(value: Option<T>, text: impl Fn(T) -> String) -> Self {
        Self::new(value.map_or_else(|| "–".to_owned(), text))
    }
}

/// A table; the first column names the row.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Table {
    /// What it shows, in a few words.
    pub title: String,
    /// What else a reader must know.
    pub note: String,
    /// The head: names with units.
    pub head: Vec<String>,
    /// The rows; each is as long as the head.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// The elements.
    #[must_use]
    pub(crate) fn html(&self) -> String {
        let mut html = format!("<figure class=\"wide\"><h3>{}</h3>\n", escape(&self.title));
        html.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
        for name in &self.head {
            html.push_str(&format!("<th scope=\"col\">{}</th>", escape(name)));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for (i, cell) in row.iter().enumerate() {
                html.push_str(&element(i == 0, cell));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
        if !self.note.is_empty() {
            let note = escape(&self.note);
            html.push_str(&format!("<figcaption>{note}</figcaption>\n"));
        }
        html.push_str("</figure>\n");
        html
    }
}

fn element(is_name: bool, cell: &Cell) -> String {
    let class = if cell.is_alert {
        " class=\"alert\""
    } else {
        ""
    };
    let below = if cell.below.is_empty() {
        String::new()
    } else {
        format!("<small>{}</small>", escape(&cell.below))
    };
    let main = escape(&cell.main);
    if is_name {
        format!("<th scope=\"row\"{class}>{main}{below}</th>")
    } else {
        format!("<td{class}>{main}{below}</td>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_names_its_rows_and_escapes_its_cells() {
        let table = Table {
            title: "bytes".to_owned(),
            note: "on <loopback>".to_owned(),
            head: vec!["arm".to_owned(), "wire (B)".to_owned()],
            rows: vec![vec![
                Cell::new("ws"),
                Cell {
                    main: "119".to_owned(),
                    below: "118 (+1 %)".to_owned(),
                    is_alert: true,
                },
            ]],
        };
        let html = table.html();
        assert!(html.contains("<th scope=\"row\">ws</th>"));
        assert!(html.contains("<td class=\"alert\">119<small>118 (+1 %)</small></td>"));
        assert!(html.contains("on &lt;loopback&gt;"));
    }
}
