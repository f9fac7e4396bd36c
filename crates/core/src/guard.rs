//! Which statements of others may be prepared.

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::CoreError;

/// The tables and views that people may read.
pub(crate) const DOCUMENTED: [&str; 3] = ["vector_changelog", "shard_metadata", "vectors"];

/// From now on the connection prepares only reads of [`DOCUMENTED`] views, with functions that do nothing but compute.
pub(crate) fn guard(connection: &mut Connection) -> Result<(), CoreError> {
    Ok(connection.authorizer(Some(decide))?)
}

/// Takes the guard away again.
pub(crate) fn unguard(connection: &mut Connection) -> Result<(), CoreError> {
    Ok(connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?)
}

#[allow(clippy::needless_pass_by_value, reason = "SQLite's callback hands it over")]
fn decide(context: AuthContext<'_>) -> Authorization {
    let allowed = match context.action {
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Read { table_name, column_name } => {
            context.accessor.is_some_and(is_documented) || may_read(table_name, column_name)
        }
        AuthAction::Function { function_name } => {
            FUNCTIONS.contains(&function_name.to_ascii_lowercase().as_str())
        }
        AuthAction::Pragma { pragma_name, pragma_value } => may_ask(pragma_name, pragma_value),
        _ => false,
    };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}

fn is_documented(name: &str) -> bool {
    DOCUMENTED.iter().any(|documented| documented.eq_ignore_ascii_case(name))
}

fn may_read(table: &str, column: &str) -> bool {
    if is_documented(table) || ["json_each", "json_tree"].contains(&table.to_ascii_lowercase().as_str()) {
        return true;
    }
    // SQLite asks so for a common table expression or subquery that is only counted.
    let lower = table.to_ascii_lowercase();
    let hidden = TABLES.contains(&lower.as_str()) || lower.starts_with("sqlite_") || lower.starts_with("pragma_");
    column.is_empty() && !hidden
}

fn may_ask(pragma: &str, value: Option<&str>) -> bool {
    match pragma.to_ascii_lowercase().as_str() {
        "integrity_check" | "quick_check" => value.is_none_or(|value| !value.is_empty()),
        "table_info" | "table_xinfo" => value.is_some_and(is_documented),
        "page_count" | "page_size" | "freelist_count" | "user_version" | "application_id" | "encoding"
        | "journal_mode" => value.is_none(),
        _ => false,
    }
}

const TABLES: [&str; 7] = ["counter", "site", "shard", "row", "sibling", "cursor", "dbstat"];

const FUNCTIONS: &[&str] = &[
    // Scalar.
    "abs", "char", "coalesce", "concat", "concat_ws", "format", "glob", "hex", "if", "ifnull", "iif", "instr",
    "length", "like", "likelihood", "likely", "lower", "ltrim", "max", "min", "nullif", "octet_length", "printf",
    "quote", "random", "replace", "round", "rtrim", "sign", "soundex", "sqlite_version", "substr", "substring",
    "trim", "typeof", "unhex", "unicode", "unistr", "unlikely", "upper",
    // Date and time.
    "date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff", "current_date", "current_time",
    "current_timestamp",
    // Aggregate and window.
    "avg", "count", "group_concat", "median", "percentile", "percentile_cont", "percentile_disc", "string_agg",
    "sum", "total", "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead",
    "first_value", "last_value", "nth_value",
    // JSON.
    "json", "json_array", "json_array_length", "json_error_position", "json_extract", "json_insert",
    "json_object", "json_patch", "json_pretty", "json_quote", "json_remove", "json_replace", "json_set",
    "json_type", "json_valid", "json_group_array", "json_group_object", "->", "->>",
    // Mathematics.
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "ceiling", "cos", "cosh", "degrees",
    "exp", "floor", "ln", "log", "log10", "log2", "mod", "pi", "pow", "power", "radians", "sin", "sinh", "sqrt",
    "tan", "tanh", "trunc",
];
