use std::time::Duration;

use vectr_delta::Timestamp;

/// A text table.
pub(crate) struct Table {
    heads: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A head that begins with `>` aligns its column to the right.
    pub(crate) const fn new(heads: &'static [&'static str]) -> Self {
        Self { heads, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| visible(&cell)).collect());
    }

    /// The heads and one line for each row.
    pub(crate) fn render(&self) -> String {
        let heads: Vec<String> =
            self.heads.iter().map(|head| head.trim_start_matches('>').to_owned()).collect();
        let widths: Vec<usize> = (0..heads.len()).map(|at| self.width(&heads, at)).collect();
        std::iter::once(&heads).chain(&self.rows).map(|cells| self.line(cells, &widths)).collect()
    }

    fn width(&self, heads: &[String], at: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(at)).chain(heads.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let columns = cells.iter().zip(widths).zip(self.heads);
        let padded = columns.map(|((cell, width), head)| {
            if head.starts_with('>') { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    }
}

/// A number with commas between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// `4.2 MB`; below a thousand `17 B`.
pub(crate) fn bytes(count: u64) -> String {
    let mut left = count as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB"] {
        if left < 999.5 {
            break;
        }
        left /= 1000.0;
        unit = larger;
    }
    if unit == "B" { format!("{count} B") } else { format!("{left:.1} {unit}") }
}

/// `35 ms`, `2.1 s`.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

/// `2026-11-22 10:00:03` in UTC; `never` for 1970.
pub(crate) fn time(at: Timestamp) -> String {
    if at == Timestamp::default() {
        return "never".to_owned();
    }
    let seconds = at.as_micros() / 1_000_000;
    let (days, left) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", left / 3600, left / 60 % 60, left % 60)
}

/// Year, month and day of a number of days since 1970: Howard Hinnant, "chrono-compatible low-level date algorithms".
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + (month <= 2) as u64, month, day)
}

/// Names come from peers: nothing in them may steer a terminal.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["shard", ">vectors"]);
        table.row(["a".to_owned(), "1,234,567".to_owned()]);
        table.row(["longer".to_owned(), "8".to_owned()]);
        assert_eq!(table.render(), "shard     vectors\na       1,234,567\nlonger          8\n");
    }

    #[test]
    fn numbers_are_worded_for_people() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 999, 1000, 999_960, 4_200_000].map(bytes),
            ["0 B", "999 B", "1.0 kB", "1.0 MB", "4.2 MB"]
        );
        assert_eq!(duration(Duration::from_millis(35)), "35 ms");
        assert_eq!(duration(Duration::from_millis(2149)), "2.1 s");
    }

    #[test]
    fn times_are_in_utc() {
        let times = [
            (0, "never"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_700_000_000, "2023-11-14 22:13:20"),
            (4_107_542_399, "2100-02-28 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ];
        for (seconds, worded) in times {
            assert_eq!(time(Timestamp::from_micros(seconds * 1_000_000)), worded);
        }
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(visible("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
    }
}
