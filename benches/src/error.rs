/// Whatever ends a benchmark. Nobody looks into it: it is printed.
pub type BenchError = Box<dyn std::error::Error + Send + Sync>;
