//! Lays rows out in columns for a terminal. Pure.

/// Columns of text, each as wide as its widest cell; cells that are numbers stand to the right.
pub fn table<const COLUMNS: usize>(head: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    });
    let numeric: [bool; COLUMNS] = std::array::from_fn(|column| {
        !rows.is_empty() && rows.iter().all(|row| row[column].parse::<i64>().is_ok() || row[column] == "-")
    });
    let line = |cells: [&str; COLUMNS]| {
        let cells: Vec<String> = cells
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                let width = widths[column];
                if numeric[column] { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            })
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    let mut text = line(head);
    for row in rows {
        text.push_str(&line(std::array::from_fn(|column| row[column].as_str())));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_text_left() {
        let rows = [["a".to_owned(), "1".to_owned()], ["longer".to_owned(), "1000".to_owned()]];
        assert_eq!(
            table(["topic", "partitions"], &rows),
            "topic   partitions\na                1\nlonger        1000\n"
        );
    }
}
