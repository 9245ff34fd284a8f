//! Figures as Prometheus reads them, and whether they keep to its conventions.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

/// One reading of a service's figures.
#[derive(Debug, Default)]
pub struct Scrape {
    /// By name and sorted labels.
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
    kinds: BTreeMap<String, String>,
}

impl Scrape {
    /// Reads the text form.
    ///
    /// # Errors
    /// It is not of that form, or breaks a convention on names.
    pub fn read(text: &str) -> Result<Self> {
        let mut scrape = Self::default();
        let mut told = BTreeSet::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').context("no help")?;
                ensure!(help.ends_with('.'), "{name}: {help}");
                told.insert(name.to_owned());
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').context("no type")?;
                check_name(name, kind)?;
                ensure!(told.contains(name), "{name} has no help");
                let before = scrape.kinds.insert(name.to_owned(), kind.to_owned());
                ensure!(before.is_none(), "{name} comes twice");
            } else {
                scrape.sample(line).with_context(|| line.to_owned())?;
            }
        }
        Ok(scrape)
    }

    fn sample(&mut self, line: &str) -> Result<()> {
        let (series, value) = line.rsplit_once(' ').context("no value")?;
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').context("no }")?),
            None => (series, ""),
        };
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .filter(|family| self.kinds.contains_key(*family))
            .unwrap_or(name);
        ensure!(self.kinds.contains_key(family), "no type");
        let labels = labels.split_terminator("\",").map(label);
        let key = (name.to_owned(), labels.collect::<Result<_>>()?);
        let before = self.samples.insert(key, value.parse()?);
        ensure!(before.is_none(), "it comes twice");
        Ok(())
    }

    /// A sample that has at least these labels, all together where there are several; 0 without any.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |of: &BTreeMap<String, String>| {
            let has = |(key, value): &(&str, &str)| of.get(*key).is_some_and(|v| v == value);
            labels.iter().all(has)
        };
        let samples = self.samples.iter();
        let wanted = samples.filter(|((other, of), _)| other == name && fits(of));
        wanted.map(|(_, value)| value).sum()
    }

    /// Whether there is any sample of this name.
    pub fn has(&self, name: &str) -> bool {
        self.samples.keys().any(|(other, _)| other == name)
    }

    /// The names of all figures.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }
}

fn label(text: &str) -> Result<(String, String)> {
    let (key, value) = text.split_once("=\"").context("no label")?;
    let value = value.strip_suffix('"').unwrap_or(value);
    ensure!(!value.contains(['"', '\\']), "escaped: {text}");
    Ok((key.to_owned(), value.to_owned()))
}

fn check_name(name: &str, kind: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    ensure!(name.starts_with("darkroom_"), "{name}");
    ensure!(name.bytes().all(is_plain), "{name}");
    match kind {
        "counter" => ensure!(name.ends_with("_total"), "{name} is a counter"),
        "gauge" => ensure!(!name.ends_with("_total"), "{name} is none"),
        "histogram" => ensure!(name.ends_with("_seconds"), "{name} has no unit"),
        _ => bail!("{name} is a {kind}"),
    }
    let milli = name.ends_with("_ms") || name.contains("_mib");
    ensure!(!milli, "{name} is not in seconds or bytes");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_odd_ones_refused() {
        let text = "# HELP darkroom_x_total All.\n# TYPE darkroom_x_total counter\n\
            darkroom_x_total{a=\"1\",b=\"x,y\"} 2\ndarkroom_x_total{a=\"2\",b=\"z\"} 3\n";
        let scrape = Scrape::read(text).unwrap();
        assert_eq!(scrape.sum("darkroom_x_total", &[("b", "x,y")]), 2.0);
        assert_eq!(scrape.sum("darkroom_x_total", &[]), 5.0);
        for odd in [
            text.replace("_total", "_sum"),
            text.replace("a=\"2\",b=\"z\"", "a=\"1\",b=\"x,y\""),
            text.replace("# TYPE darkroom_x_total counter\n", ""),
            text.replace(" 3", " three"),
        ] {
            assert!(Scrape::read(&odd).is_err(), "{odd}");
        }
    }
}
