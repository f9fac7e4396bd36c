use std::sync::{Mutex, PoisonError};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Statement};

use crate::CoreError;
use crate::db::query::expansion::{MOST_COPIES, most_copies};

/// Decides which of the callers' statements are run.
///
/// A statement is first prepared in a shadow schema: an empty database that has the documented views as tables and
/// nothing else, so that SQLite's own name resolution shows what the statement reads. An authorizer on the real
/// database cannot tell a view from a common table expression of the same name.
#[derive(Default)]
pub(crate) struct QueryGuard {
    shadow: Mutex<Option<Connection>>,
}

impl QueryGuard {
    /// Refuses everything but one statement that reads documented views, with functions that do nothing but compute,
    /// or asks a harmless PRAGMA.
    pub(crate) fn check(&self, sql: &str) -> Result<(), CoreError> {
        // Before SQLite sees it: nothing ends what it does with such a statement.
        if most_copies(sql) > MOST_COPIES {
            return Err(refused(format!(
                "SQLite would copy a part of the statement over {MOST_COPIES} times: {SPLIT}"
            )));
        }
        let mut shadow = self.shadow.lock().unwrap_or_else(PoisonError::into_inner);
        let shadow = match &mut *shadow {
            Some(shadow) => shadow,
            empty => empty.insert(open()?),
        };
        let statement = shadow.prepare(sql).map_err(|error| refused(error.to_string()))?;
        only_reads(&statement)
    }
}

/// Refuses statements that write, and those that return nothing.
pub(crate) fn only_reads(statement: &Statement<'_>) -> Result<(), CoreError> {
    if statement.column_count() == 0 {
        return Err(refused("the statement returns no columns: give one SELECT".into()));
    }
    if !statement.readonly() {
        return Err(refused("the statement writes: use the methods for that".into()));
    }
    Ok(())
}

pub(crate) const fn refused(reason: String) -> CoreError {
    CoreError::Query { reason }
}

const SPLIT: &str =
    "queries within it that read each other mention one name too often: ask in several statements";

fn open() -> Result<Connection, CoreError> {
    let mut shadow = Connection::open_in_memory()?;
    shadow.execute_batch(DOCUMENTED)?;
    shadow.authorizer(Some(decide))?;
    Ok(shadow)
}

#[allow(clippy::needless_pass_by_value, reason = "SQLite's callback hands it over")]
fn decide(context: AuthContext<'_>) -> Authorization {
    let allowed = match context.action {
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Read { table_name, column_name } => may_read(table_name, column_name),
        AuthAction::Function { function_name } => {
            FUNCTIONS.contains(&function_name.to_ascii_lowercase().as_str())
        }
        AuthAction::Pragma { pragma_name, pragma_value } => may_ask(pragma_name, pragma_value),
        _ => false,
    };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}

fn may_read(table: &str, column: &str) -> bool {
    let table = table.to_ascii_lowercase();
    if TABLES.contains(&table.as_str()) {
        return true;
    }
    // SQLite asks so for a common table expression that is only counted.
    let built_in = table.starts_with("sqlite_") || table.starts_with("pragma_") || table == "dbstat";
    column.is_empty() && !built_in
}

fn may_ask(pragma: &str, value: Option<&str>) -> bool {
    match pragma.to_ascii_lowercase().as_str() {
        "integrity_check" | "quick_check" => true,
        "table_info" | "table_xinfo" => {
            value.is_some_and(|value| TABLES.contains(&value.to_ascii_lowercase().as_str()))
        }
        "page_count" | "page_size" | "freelist_count" | "user_version" | "application_id" | "encoding" => {
            value.is_none()
        }
        _ => false,
    }
}

/// As the migrations define the views.
const DOCUMENTED: &str = "
CREATE TABLE vectors (shard_id, id, metadata, timestamp, vector);
CREATE TABLE vector_changelog (
  change_id, shard_id, vector_id, operation, vector_data, metadata, timestamp, source_node, version_vector
);
CREATE TABLE shard_metadata (shard_id, version_vector, updated_at);
";

const TABLES: [&str; 5] = ["vectors", "vector_changelog", "shard_metadata", "json_each", "json_tree"];

const FUNCTIONS: &[&str] = &[
    // Scalar.
    "abs",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "format",
    "glob",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "length",
    "like",
    "likelihood",
    "likely",
    "lower",
    "ltrim",
    "max",
    "min",
    "nullif",
    "octet_length",
    "printf",
    "quote",
    "random",
    "replace",
    "round",
    "rtrim",
    "sign",
    "soundex",
    "sqlite_version",
    "substr",
    "substring",
    "trim",
    "typeof",
    "unhex",
    "unicode",
    "unistr",
    "unlikely",
    "upper",
    // Date and time.
    "date",
    "time",
    "datetime",
    "julianday",
    "unixepoch",
    "strftime",
    "timediff",
    "current_date",
    "current_time",
    "current_timestamp",
    // Aggregate and window.
    "avg",
    "count",
    "group_concat",
    "median",
    "percentile",
    "percentile_cont",
    "percentile_disc",
    "string_agg",
    "sum",
    "total",
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
    // JSON.
    "json",
    "json_array",
    "json_array_length",
    "json_error_position",
    "json_extract",
    "json_insert",
    "json_object",
    "json_patch",
    "json_pretty",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "json_group_array",
    "json_group_object",
    "->",
    "->>",
    // Mathematics.
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "ceil",
    "ceiling",
    "cos",
    "cosh",
    "degrees",
    "exp",
    "floor",
    "ln",
    "log",
    "log10",
    "log2",
    "mod",
    "pi",
    "pow",
    "power",
    "radians",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::schema;

    #[test]
    fn the_shadow_schema_has_the_columns_of_the_views() {
        let (real, shadow) = (Connection::open_in_memory().unwrap(), Connection::open_in_memory().unwrap());
        schema::migrate(&real).unwrap();
        shadow.execute_batch(DOCUMENTED).unwrap();
        let columns = |connection: &Connection, view: &str| -> Vec<String> {
            let statement = connection.prepare(&format!("SELECT * FROM {view}")).unwrap();
            statement.column_names().map(str::to_owned).collect()
        };
        for view in &TABLES[..3] {
            assert_eq!(columns(&real, view), columns(&shadow, view));
        }
    }

    #[test]
    fn a_name_borrowed_from_a_view_opens_nothing() {
        let query_guard = QueryGuard::default();
        for sql in [
            "WITH vectors AS (SELECT * FROM row) SELECT * FROM vectors",
            "SELECT * FROM (SELECT * FROM counter) AS vectors",
            "SELECT * FROM main.row",
            "SELECT * FROM \"row\" AS vectors",
        ] {
            assert_eq!(query_guard.check(sql).unwrap_err().code(), "ERR_ARGUMENT", "{sql}");
        }
        query_guard.check("WITH row AS (SELECT * FROM vectors) SELECT * FROM row").unwrap();
    }
}
