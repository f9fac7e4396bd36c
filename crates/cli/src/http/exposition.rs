use std::fmt::{Display, Write};

/// Metrics in Prometheus' text format, version 0.0.4.
#[derive(Default)]
pub(crate) struct Exposition(String);

impl Exposition {
    /// The content type of the text.
    pub(crate) const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins a family. Its samples have to follow before the next one begins.
    pub(crate) fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
        Family { exposition: self, name }
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }

    fn line(&mut self, line: impl Display) {
        writeln!(self.0, "{line}").expect("writing to a string never fails");
    }
}

/// The type of a metric.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Counter,
    Gauge,
}

/// Adds samples to one metric.
pub(crate) struct Family<'e> {
    exposition: &'e mut Exposition,
    name: &'static str,
}

impl Family<'_> {
    /// Adds one sample. Labels may contain any text.
    pub(crate) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        let listed: Vec<String> =
            labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
        let name = self.name;
        if listed.is_empty() {
            self.exposition.line(format_args!("{name} {value}"));
        } else {
            self.exposition.line(format_args!("{name}{{{}}} {value}", listed.join(",")));
        }
        self
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_take_any_text() {
        let mut exposition = Exposition::default();
        let mut family = exposition.family("rows_total", Kind::Counter, "Rows.");
        family.sample(&[("shard", "a\"b\\c\nd"), ("way", "in")], 7).sample(&[], 1.5);
        let expected = "# HELP rows_total Rows.\n# TYPE rows_total counter\n\
                        rows_total{shard=\"a\\\"b\\\\c\\nd\",way=\"in\"} 7\nrows_total 1.5\n";
        assert_eq!(exposition.into_text(), expected);
    }
}
