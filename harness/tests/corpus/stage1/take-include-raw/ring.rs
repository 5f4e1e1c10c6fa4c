r#include!("../../../solutions/stage1-console/ring.rs");
